// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BROKEN_MODEL_H
#define LAMPLIGHTER_BROKEN_MODEL_H

#include <string>

namespace LAMMPS_NS {

/* What a model said on this rank of its atoms and their ghosts. */
struct Answer {
  double energy;
  const double *f;         // of all rows, 3 numbers each
  const double *virial;    // 6 numbers; null: it was not asked for, or the model has none
};

/* What in it is no finite number, in words; nothing where all are. */
std::string not_finite_in(class LAMMPS *, const Answer &);

/* Where an answer is not finite on any rank, `found` is not empty there: ends the run on all ranks
   with a message that names the model. A fix guard of a run of dynamics notes it first, with its
   evidence, and one that stops runs does so in place of the error. Collective. */
void see_to_broken_model(class LAMMPS *, const std::string &model, const std::string &found);

}    // namespace LAMMPS_NS

#endif
