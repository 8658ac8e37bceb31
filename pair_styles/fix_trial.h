// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_FIX_TRIAL_H
#define LAMPLIGHTER_FIX_TRIAL_H

#include "fix.h"

namespace LAMMPS_NS {

/* fix lamplighter/trial: tells a Monte Carlo fix's trial configuration (fix gcmc, fix widom) from
   that of a step. Both build neighbour lists; only a step then tells its fixes. Made by pair
   styles, not by users. */
class FixTrial : public Fix {
 public:
  FixTrial(class LAMMPS *, int, char **);

  int setmask() override;
  void setup_post_neighbor() override { post_neighbor(); }
  void post_neighbor() override;
  void min_post_neighbor() override { post_neighbor(); }

  /* Whether the energy that is asked for now is of a trial. */
  bool is_trial() const;

  /* Whether there is a fix that makes trials. */
  static bool is_wanted(class LAMMPS *);

 private:
  bigint lists_of_step;    // how many times lists had been built
};

}    // namespace LAMMPS_NS

#endif
