// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_NATIVE_EVALUATOR_H
#define LAMPLIGHTER_NATIVE_EVALUATOR_H

#include "own_uncertainty.h"
#include "results.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace lamplighter {

/* Message passing between ranks. Rows are atoms, `width` numbers of `size` bytes each. Collective.
 */
class Exchange {
 public:
  virtual ~Exchange() = default;
  /* Rows that belong to atoms of other ranks become copies of their owners' rows. */
  virtual void forward(void *rows, int width, int size) = 0;
  /* The adjoint: rows of owners gain those that other ranks have of them. */
  virtual void reverse(void *rows, int width, int size) = 0;
};

/* The atoms of one rank, Angstrom. Neighbours are rows of x; `feature_row` says which row of the
   features belongs to a row of x: local atoms have their own, ghosts share one for each atom that
   they are images of. */
struct Atoms {
  int nlocal, nfeatures;
  const double *x;    // [rows][3]
  const int *type;    // [rows], from 1
  const int *feature_row;
  int nlist;    // atoms that are evaluated: all local ones, but for those that are not to count
  const int *list;
  const int *nneighbours;
  const int *const *neighbours;
  int neighbour_mask;
};

/* A pair of rows of x that are closer than any model knows, if there is one. */
struct Overlap {
  bool found;
  int i, j;
  double distance;
};

/* A model of any family, or several of one architecture, ready to evaluate. Energies, forces and
   virials come from one pass forward and one backward over the pairs; see
   docs/theory/native_engine.md. Not for use by several threads at once. */
class NativeEvaluator {
 public:
  virtual ~NativeEvaluator() = default;

  virtual double cutoff() const = 0;
  virtual int members() const = 0;     // models in the file
  virtual int features() const = 0;    // numbers an atom in Results::features: layers x channels
  virtual int readout_inputs() const = 0;    // and in Results::readout_inputs
  virtual std::string summary() const = 0;
  virtual double memory() const = 0;    // bytes
  /* `nmembers` models from `first` on, one Results each, in one pass over the pairs. Results are of
     no use where an overlap was found. */
  virtual Overlap compute(const Atoms &, Exchange &, Results *, int nmembers, int first = 0) = 0;

  /* What the first model knows of its training set; null: the file does not say, or its section is
     of no use, which is no fault of the model: then `uncertainty_problem` names it. */
  std::unique_ptr<OwnUncertainty> uncertainty;
  std::string uncertainty_problem;
  /* Sets both, of the first model of the file `model`, which may be the file with the statistics
     itself. */
  void know_training_set(const TensorFile &model, const TensorFile &training_set,
                         const std::vector<std::string> &elements);
};

}    // namespace lamplighter

#endif
