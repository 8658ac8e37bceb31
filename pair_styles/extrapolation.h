// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_EXTRAPOLATION_H
#define LAMPLIGHTER_EXTRAPOLATION_H

#include "native/own_uncertainty.h"
#include "pointers.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

/* One model's own uncertainty of each atom, of the largest in its training set
   (docs/theory/own_uncertainty.md): when it is evaluated, what it was, and which numbers tell of
   it. Costs nothing where it was not asked for. */
class Extrapolation : protected Pointers {
 public:
  Extrapolation(class LAMMPS *,
                const std::string &style);    // name of the pair style, for messages
  ~Extrapolation();

  /* Takes arg[iarg], if it is `extrapolation every N [from FILE]`; returns the words taken, or 0.
   */
  int take_keyword(int narg, char **arg, int iarg);
  bool wanted() const { return every_ > 0; }
  /* The file that says what the training set was like; empty: that of the model. */
  const std::string &training_set() const { return training_set_; }
  /* What was found so far is of other models. */
  void forget();
  /* In init_style: the fix that keeps the atoms' values between evaluations. */
  void carry_values();

  /* Whether it is to be evaluated in this step. */
  bool is_due() const;
  /* Where numbers of the local atoms go, `width` of each: what the last layers see in the native
     engine, or what the bridge has found. */
  double *room(size_t width);
  /* Evaluates the atoms `list` by these numbers, or takes what was found for them where there is
     no evaluator; others have 0 and count for nothing. Collective. */
  void find(lamplighter::OwnUncertainty *, int nlist, const int *list);

  /* For `compute pair`: largest, mean, step of the evaluation, largest of each atom type. */
  const std::vector<double> &numbers() const { return numbers_; }
  void *extract(const char *name);
  double *of_atoms();    // null: never evaluated

 private:
  std::string style_, training_set_;
  int every_;
  struct {
    double every, largest, step;
  } found_;
  std::vector<double> room_, numbers_;
  class FixLamplighterCarry *carry_;
  std::string carry_id_;
};

}    // namespace LAMMPS_NS

#endif
