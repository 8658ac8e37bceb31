// SPDX-License-Identifier: GPL-2.0-or-later

#include "bonds_of_atoms.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "fix.h"
#include "memory.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

BondsOfAtoms::BondsOfAtoms(LAMMPS *lmp, Fix *fix) :
    Pointers(lmp), fix_(fix), most_(4), count_(nullptr), partner_(nullptr), length_(nullptr),
    forwarded_(nullptr)
{
  fix_->maxexchange = 2 * most_ + 1;
}

BondsOfAtoms::~BondsOfAtoms()
{
  memory->destroy(count_);
  memory->destroy(partner_);
  memory->destroy(length_);
}

void BondsOfAtoms::clear()
{
  for (int i = 0; i < atom->nlocal; i++) count_[i] = 0;
}

/* Room for more bonds of each atom. LAMMPS' grow keeps rows, not columns. */

void BondsOfAtoms::widen()
{
  tagint **old_partner = partner_;
  double **old_length = length_;
  const int before = most_;
  most_ += 4;
  memory->create(partner_, atom->nmax, most_, "guard:partner");
  memory->create(length_, atom->nmax, most_, "guard:length");
  for (int i = 0; i < atom->nmax; i++)
    for (int k = 0; k < before; k++) {
      partner_[i][k] = old_partner[i][k];
      length_[i][k] = old_length[i][k];
    }
  memory->destroy(old_partner);
  memory->destroy(old_length);
  fix_->maxexchange = 2 * most_ + 1;
}

void BondsOfAtoms::add(int i, tagint other, double r)
{
  if (count_[i] == most_) widen();
  partner_[i][count_[i]] = other;
  length_[i][count_[i]++] = r;
}

void BondsOfAtoms::add_at_present_length(int i, tagint other)
{
  add(i, other, 0.0);
  length_[i][count_[i] - 1] = present_length(i, count_[i] - 1);
}

/* The present length of a bond of local atom i; negative where the partner is out of reach. */

double BondsOfAtoms::present_length(int i, int bond) const
{
  const int j = atom->map(partner_[i][bond]);
  if (j < 0) return -1.0;
  double **x = atom->x;
  double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
  domain->minimum_image(FLERR, dx, dy, dz);
  return std::sqrt(dx * dx + dy * dy + dz * dz);
}

bool BondsOfAtoms::has(int i, tagint other) const
{
  return std::find(partner_[i], partner_[i] + count_[i], other) != partner_[i] + count_[i];
}

void BondsOfAtoms::forward(std::vector<double> &rows)
{
  forwarded_ = rows.data();
  comm->forward_comm(fix_);
  forwarded_ = nullptr;
}

/* ---------------------------------------------------------------------- */

double BondsOfAtoms::memory_usage() const
{
  return (double) atom->nmax * (sizeof(int) + most_ * (sizeof(tagint) + sizeof(double)));
}

void BondsOfAtoms::grow_arrays(int nmax)
{
  memory->grow(count_, nmax, "guard:nbonds");
  memory->grow(partner_, nmax, most_, "guard:partner");
  memory->grow(length_, nmax, most_, "guard:length");
}

void BondsOfAtoms::copy_arrays(int i, int j)
{
  count_[j] = count_[i];
  for (int k = 0; k < count_[i]; k++) {
    partner_[j][k] = partner_[i][k];
    length_[j][k] = length_[i][k];
  }
}

int BondsOfAtoms::pack_exchange(int i, double *buf) const
{
  int m = 0;
  buf[m++] = count_[i];
  for (int k = 0; k < count_[i]; k++) {
    buf[m++] = ubuf(partner_[i][k]).d;
    buf[m++] = length_[i][k];
  }
  return m;
}

int BondsOfAtoms::unpack_exchange(int nlocal, const double *buf)
{
  int m = 0;
  const int n = (int) buf[m++];
  count_[nlocal] = 0;
  for (int k = 0; k < n; k++) {
    const tagint other = (tagint) ubuf(buf[m++]).i;
    add(nlocal, other, buf[m++]);
  }
  return m;
}

int BondsOfAtoms::pack_forward_comm(int n, const int *sendlist, double *buf) const
{
  for (int i = 0; i < n; i++) buf[i] = forwarded_[sendlist[i]];
  return n;
}

void BondsOfAtoms::unpack_forward_comm(int n, int first, const double *buf)
{
  for (int i = 0; i < n; i++) forwarded_[first + i] = buf[i];
}
