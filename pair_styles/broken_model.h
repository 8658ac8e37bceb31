// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BROKEN_MODEL_H
#define LAMPLIGHTER_BROKEN_MODEL_H

#include <string>
#include <vector>

namespace LAMMPS_NS {

/* What a model said on this rank of its atoms and their ghosts. */
struct Answer {
  double energy;
  const double *f;         // of all rows, 3 numbers each
  const double *virial;    // 6 numbers; null: it was not asked for, or the model has none
};

struct BrokenModel {
  int model;           // its place among the answers; -1: none is broken
  std::string what;    // is no finite number, in words
};

/* The first of the models whose answer is not finite on any rank, the same on all. Where a rank has
   a problem, the run ends with it. Collective: one reduction, however many models. */
BrokenModel find_broken_model(class LAMMPS *, const std::vector<Answer> &,
                              const std::string &problem);

/* Ends the run on all ranks with a message that names the model. A fix guard of a run of dynamics
   notes it first, with its evidence, and one that stops runs does so in place of the error.
   Collective. */
void see_to_broken_model(class LAMMPS *, const std::string &model, const std::string &what);

/* In init_style: guards hear of broken models, whichever was defined first. */
void let_guards_hear(class LAMMPS *);

}    // namespace LAMMPS_NS

#endif
