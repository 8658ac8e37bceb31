// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_MACE_EVALUATOR_H
#define LAMPLIGHTER_MACE_EVALUATOR_H

#include "mace_parameters.h"
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
  /* Rows of ghosts become copies of their owners' rows. */
  virtual void forward(void *rows, int width, int size) = 0;
  /* The adjoint: rows of owners gain those of their ghosts on all ranks. */
  virtual void reverse(void *rows, int width, int size) = 0;
};

/* The atoms of one rank, Angstrom. Neighbours are rows of x; `feature_row` says which row of the
   features belongs to a row of x (its own, or its owner's where ghosts are folded onto owners). */
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

/* A MACE model, or several of one architecture, ready to evaluate. Energies, forces and virials
   come from one pass forward and one backward over the pairs; see
   docs/theory/native_engine.md. Not for
   use by several threads at once. */
class MaceEvaluator {
 public:
  virtual ~MaceEvaluator() = default;

  virtual double cutoff() const = 0;
  virtual int members() const = 0;     // models in the file
  virtual int features() const = 0;    // numbers an atom in Results::features: layers x channels
  virtual std::string summary() const = 0;
  virtual double memory() const = 0;    // bytes
  /* `nmembers` models from `first` on, one Results each, in one pass over the pairs. Results are of
     no use where an overlap was found. */
  virtual Overlap compute(const Atoms &, Exchange &, Results *, int nmembers, int first = 0) = 0;

  /* `elements[k]` is the symbol of type k + 1; `dtype` is float64, float32 (float32 arithmetic;
     positions, energies and forces are summed in float64) or auto, as the model was stored;
     `intervals` of the radial tables, 0: chosen. Throws std::runtime_error if the model does not
     know an element, or the file is not a model. */
  static std::unique_ptr<MaceEvaluator> open(const std::string &path,
                                             const std::vector<std::string> &elements,
                                             const std::string &dtype, int intervals = 0);
};

}    // namespace lamplighter

#endif
