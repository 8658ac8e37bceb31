// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef FIX_CLASS
// clang-format off
FixStyle(lamplighter/trial,FixLamplighterTrial);
// clang-format on
#else

#ifndef LAMPLIGHTER_FIX_LAMPLIGHTER_TRIAL_H
#define LAMPLIGHTER_FIX_LAMPLIGHTER_TRIAL_H

#include "fix.h"

namespace LAMMPS_NS {

/* fix lamplighter/trial: tells a Monte Carlo fix's trial configuration (fix gcmc, fix widom) from
   that of a step. Both build neighbour lists; only a step then tells its fixes. What a Monte Carlo
   fix asks for first is the energy that it compares trials with, of the atoms as they are: that is
   no trial. Made by pair styles, not by users. */
class FixLamplighterTrial : public Fix {
 public:
  FixLamplighterTrial(class LAMMPS *, int, char **);

  int setmask() override;
  void setup_post_neighbor() override;
  void post_neighbor() override;
  void min_post_neighbor() override { post_neighbor(); }

  /* Whether the energy that is asked for now is of a trial. */
  bool is_trial();

  /* Whether there is a fix that makes trials. */
  static bool is_wanted(class LAMMPS *);

 private:
  bigint lists_before_;    // how many times lists had been built before the reference energy
  const Fix *turn_;        // the Monte Carlo fix that asked last in this step
};

}    // namespace LAMMPS_NS

#endif
#endif
