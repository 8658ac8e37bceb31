// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_OWN_UNCERTAINTY_H
#define LAMPLIGHTER_OWN_UNCERTAINTY_H

#include "padded_arrays.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace lamplighter {

class TensorFile;

/* How uncertain a model is of an atom, by what its last layers see of it and of its training set.

   f are the inputs of the last linear layers, U = |A f|^2 the measure of
   docs/theory/own_uncertainty.md, whose root is, but for a factor, the standard deviation of the
   atom's energy. An atom's extrapolation is sqrt(U / U_max) with the largest U of its element in
   the training set: above 1 it is less certain than all that the model was trained on. */
class OwnUncertainty {
 public:
  /* Numbers in f. */
  size_t width() const { return width_; }

  /* The extrapolations of the atoms `list`, of types `type`, into values[i]. `inputs` are those of
     Results::readout_inputs. */
  void evaluate(int nlist, const int *list, const int *type, const double *inputs,
                double *values) const;

 private:
  friend std::unique_ptr<OwnUncertainty> read_own_uncertainty(
      const TensorFile &, size_t width, const std::vector<std::string> &elements);

  const Kernels<double> *kernels_;
  size_t width_, axes_;                    // numbers in f and in A f
  Array<double> factor_;                   // R of A = Q R, as Kernels::squared_length has it
  std::vector<double> largest_of_type_;    // U_max, from type 1 on

  void prepare(std::vector<double> matrix);
};

/* What a file says of the training set of a model; null: nothing. `width`: numbers in the model's
   f; `elements[k]`: symbol of type k + 1. Throws std::runtime_error where the section is of another
   version, lacks an element, or does not fit the model. */
std::unique_ptr<OwnUncertainty> read_own_uncertainty(const TensorFile &, size_t width,
                                                     const std::vector<std::string> &elements);

}    // namespace lamplighter

#endif
