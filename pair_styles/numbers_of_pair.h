// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_NUMBERS_OF_PAIR_H
#define LAMPLIGHTER_NUMBERS_OF_PAIR_H

#include "pointers.h"

namespace LAMMPS_NS {

/* What the pair style of a run says of its models, asked by name, so that it may be of any kind:
   `extract("committee...")` and `extract_peratom("variance")` of a committee,
   `extract("extrapolation...")` and `extract_peratom("extrapolation")` of one model's own
   uncertainty. */
class NumbersOfPair : protected Pointers {
 public:
  NumbersOfPair(class LAMMPS *lmp) : Pointers(lmp) {}

  /* A number by the pair style's name for it; 0 where it has none. */
  double number(const char *name) const;
  /* A number of each local atom; null where there is none. */
  const double *of_atoms(const char *name) const;
};

}    // namespace LAMMPS_NS

#endif
