// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef FIX_CLASS
// clang-format off
FixStyle(lamplighter/carry,FixLamplighterCarry);
// clang-format on
#else

#ifndef LAMPLIGHTER_FIX_LAMPLIGHTER_CARRY_H
#define LAMPLIGHTER_FIX_LAMPLIGHTER_CARRY_H

#include "fix.h"

namespace LAMMPS_NS {

/* fix lamplighter/carry: one number per atom that moves with it between ranks. Made by other
   styles, not by users; a new atom has 0. */
class FixLamplighterCarry : public Fix {
 public:
  FixLamplighterCarry(class LAMMPS *, int, char **);
  ~FixLamplighterCarry() override;

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
#endif
