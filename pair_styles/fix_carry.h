// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_FIX_CARRY_H
#define LAMPLIGHTER_FIX_CARRY_H

#include "fix.h"

namespace LAMMPS_NS {

/* fix lamplighter/carry: one number per atom that moves with it between ranks. Made by other
   styles, not by users; a new atom has 0. */
class FixCarry : public Fix {
 public:
  FixCarry(class LAMMPS *, int, char **);
  ~FixCarry() override;

  int setmask() override { return 0; }
  double memory_usage() override;
  void grow_arrays(int) override;
  void copy_arrays(int, int, int) override;
  void set_arrays(int) override;
  int pack_exchange(int, double *) override;
  int unpack_exchange(int, double *) override;

  double *values;
};

}    // namespace LAMMPS_NS

#endif
