// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_OWN_UNCERTAINTY_H
#define LAMPLIGHTER_OWN_UNCERTAINTY_H

#include "activations.h"
#include "padded_arrays.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace lamplighter {

class TensorFile;

/* A layer of a readout that is not its last: activations of in * matrix + bias. */
struct HiddenLayer {
  std::vector<double> matrix;    // [in][width]
  std::vector<double> bias;      // [width], or empty
};

/* Numbers of an atom that a last linear layer sees, from its features: `channels` scalars from
   `first` on, or the activations of the last of the hidden layers that these go through. */
struct ReadoutInput {
  size_t first, channels;
  std::vector<HiddenLayer> hidden;
  Activation activation;
};

/* How uncertain a model is of an atom, by what its last layers see of it and of its training set.

   f are the inputs of the last linear layers, U = |A f|^2 the measure of
   docs/theory/own_uncertainty.md, whose root is, but for a factor, the standard deviation of the
   atom's energy. An atom's extrapolation is sqrt(U / U_max) with the largest U of its element in
   the training set: above 1 it is less certain than all that the model was trained on. */
class OwnUncertainty {
 public:
  /* Numbers of an atom in Results::features. */
  size_t features() const { return features_; }

  /* The extrapolations of the atoms `list`, of types `type`, into values[i]. `features` are those
     of Results. Not for use by several threads at once. */
  void evaluate(int nlist, const int *list, const int *type, const double *features,
                double *values);

 private:
  friend std::unique_ptr<OwnUncertainty> read_own_uncertainty(
      const TensorFile &, std::vector<ReadoutInput>, size_t features,
      const std::vector<std::string> &elements);

  /* Numbers of f that stand side by side, and the layers behind which they are activations; none:
     they are scalars. */
  struct Layer {
    int nin, nout;
    Array<double> matrix, bias;    // [nin][nout, padded]; [nout, padded]
  };
  struct Part {
    size_t first, width;
    std::vector<Layer> hidden;
    Activation activation;
  };
  const Kernels<double> *kernels_;
  std::vector<Part> parts_;
  size_t features_, width_, axes_;         // numbers of an atom: features; f; A f
  Array<double> matrix_;                   // A, transposed: [width][axes, padded]
  std::vector<double> largest_of_type_;    // U_max, from type 1 on
  size_t widest_;                          // of the hidden layers, padded
  // of a block of atoms, a row each
  Array<double> f_, before_, hidden_, along_;

  void prepare(const std::vector<ReadoutInput> &inputs, const std::vector<double> &matrix);
  void take_inputs(const double *const *features, int count);
};

/* What a file says of the training set of a model; null: nothing. `features`: numbers of an atom in
   Results::features; `elements[k]`: symbol of type k + 1. Throws std::runtime_error where the
   section is of another version, lacks an element, or does not fit the model. */
std::unique_ptr<OwnUncertainty> read_own_uncertainty(const TensorFile &, std::vector<ReadoutInput>,
                                                     size_t features,
                                                     const std::vector<std::string> &elements);

}    // namespace lamplighter

#endif
