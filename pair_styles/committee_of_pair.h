// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_COMMITTEE_OF_PAIR_H
#define LAMPLIGHTER_COMMITTEE_OF_PAIR_H

#include "pointers.h"

namespace LAMMPS_NS {

/* What the pair style of a run says of its committee, asked by name, so that it may be of any kind:
   `extract("committee...")`, `extract_peratom("variance")`. */
class CommitteeOfPair : protected Pointers {
 public:
  CommitteeOfPair(class LAMMPS *lmp) : Pointers(lmp) {}

  /* A number of the committee by the pair style's name for it; 0 without a committee. */
  double number(const char *name) const;
  /* The force variance of each local atom; null where there is none. */
  const double *variances() const;

 private:
  class Pair *pair() const;
};

}    // namespace LAMMPS_NS

#endif
