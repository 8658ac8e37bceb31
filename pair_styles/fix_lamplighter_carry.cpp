// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_lamplighter_carry.h"

#include "atom.h"
#include "memory.h"

using namespace LAMMPS_NS;

FixLamplighterCarry::FixLamplighterCarry(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), values(nullptr)
{
  create_attribute = 1;
  maxexchange = 1;
  grow_arrays(atom->nmax);
  atom->add_callback(Atom::GROW);
  for (int i = 0; i < atom->nmax; i++) values[i] = 0.0;
}

FixLamplighterCarry::~FixLamplighterCarry()
{
  atom->delete_callback(id, Atom::GROW);
  memory->destroy(values);
}

double FixLamplighterCarry::memory_usage()
{
  return (double) atom->nmax * sizeof(double);
}

void FixLamplighterCarry::grow_arrays(int nmax)
{
  memory->grow(values, nmax, "carry:values");
}

void FixLamplighterCarry::copy_arrays(int i, int j, int)
{
  values[j] = values[i];
}

void FixLamplighterCarry::set_arrays(int i)
{
  values[i] = 0.0;
}

int FixLamplighterCarry::pack_exchange(int i, double *buf)
{
  buf[0] = values[i];
  return 1;
}

int FixLamplighterCarry::unpack_exchange(int nlocal, double *buf)
{
  values[nlocal] = buf[0];
  return 1;
}
