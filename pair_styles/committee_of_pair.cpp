// SPDX-License-Identifier: GPL-2.0-or-later

#include "committee_of_pair.h"

#include "force.h"
#include "pair.h"

using namespace LAMMPS_NS;

/* The present pair style, or the part of a hybrid that has the committee. */

Pair *CommitteeOfPair::pair() const
{
  int dim = 0;
  // a hybrid hands out its parts' numbers, but not what they know of each atom
  Pair *part = force->pair ? force->pair_match("lamplighter", 0) : nullptr;
  if (part && part->extract("committee", dim)) return part;
  return force->pair;
}

double CommitteeOfPair::number(const char *name) const
{
  int dim = 0;
  Pair *asked = pair();
  const double *found = asked ? (const double *) asked->extract(name, dim) : nullptr;
  return found && dim == 0 ? *found : 0.0;
}

const double *CommitteeOfPair::variances() const
{
  int ncol = 0;
  Pair *asked = pair();
  return asked ? (const double *) asked->extract_peratom("variance", ncol) : nullptr;
}
