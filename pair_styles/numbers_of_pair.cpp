// SPDX-License-Identifier: GPL-2.0-or-later

#include "numbers_of_pair.h"

#include "force.h"
#include "pair.h"

using namespace LAMMPS_NS;

double NumbersOfPair::number(const char *name) const
{
  int dim = 0;
  // the part of a hybrid that has it comes before what the hybrid itself says
  Pair *part = force->pair ? force->pair_match("lamplighter", 0) : nullptr;
  const double *found = part ? (const double *) part->extract(name, dim) : nullptr;
  if (!found && force->pair) found = (const double *) force->pair->extract(name, dim);
  return found && dim == 0 ? *found : 0.0;
}

const double *NumbersOfPair::of_atoms(const char *name) const
{
  int ncol = 0;
  // a hybrid hands out its parts' numbers, but not what they know of each atom
  Pair *part = force->pair ? force->pair_match("lamplighter", 0) : nullptr;
  const double *found = part ? (const double *) part->extract_peratom(name, ncol) : nullptr;
  if (!found && force->pair) found = (const double *) force->pair->extract_peratom(name, ncol);
  return found;
}
