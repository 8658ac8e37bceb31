// SPDX-License-Identifier: GPL-2.0-or-later

#include "own_uncertainty.h"

#include "../elements.h"
#include "tensor_file.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

using namespace lamplighter;

namespace {

/* Atoms are treated this many at a time: each number of a matrix is loaded once for several. */
constexpr int BLOCK = 12;

constexpr int64_t VERSION = 1;
const std::string REMEDY = ": make it again with 'lamplighter compile MODEL --training TRAIN.xyz'";

size_t width_of(const ReadoutInput &input)
{
  size_t width = input.channels;
  for (const HiddenLayer &layer : input.hidden) width = layer.matrix.size() / width;
  return width;
}

}    // namespace

std::unique_ptr<OwnUncertainty> lamplighter::read_own_uncertainty(
    const TensorFile &file, std::vector<ReadoutInput> inputs, size_t features,
    const std::vector<std::string> &elements)
{
  const std::string section = "extrapolation.";
  if (!file.has(section + "version") && !file.has(section + "matrix")) return nullptr;
  const int64_t version = file.integers(section + "version", {1})[0];
  if (version != VERSION)
    throw std::runtime_error("Model file " + file.path() + ": its training statistics are of " +
                             "version " + std::to_string(version) +
                             ", and this Lamplighter reads version " + std::to_string(VERSION) +
                             REMEDY);

  auto read = std::make_unique<OwnUncertainty>();
  read->features_ = features;
  read->width_ = 0;
  for (const ReadoutInput &input : inputs) read->width_ += width_of(input);
  const std::vector<double> matrix = file.doubles(section + "matrix", {-1, (int64_t) read->width_});
  const int64_t axes = file.shape(section + "matrix")[0];
  if (axes < 1 || axes > (int64_t) read->width_)
    throw std::runtime_error("Model file " + file.path() + ": its training statistics have " +
                             std::to_string(axes) + " axes for " + std::to_string(read->width_) +
                             " numbers of the last layers" + REMEDY);
  read->prepare(inputs, matrix);

  // what only Python reads is held to be whole, too
  const std::vector<int64_t> numbers = file.integers("atomic_numbers", {-1});
  const auto nspecies = (int64_t) numbers.size();
  file.doubles(section + "explained", {axes});
  const std::vector<double> thresholds = file.doubles(section + "thresholds", {nspecies, 5});
  const std::vector<int64_t> atoms = file.integers(section + "atoms", {nspecies});
  for (size_t s = 0; s < numbers.size(); s++) {
    const std::string symbol = element_symbol((int) numbers[s]);
    file.doubles(section + "points." + symbol, {-1, 2});
    if (!(thresholds[5 * s + 4] > 0.0) || atoms[s] < 1)
      throw std::runtime_error("Model file " + file.path() + ": its training statistics hold no " +
                               symbol + REMEDY);
  }
  for (const std::string &symbol : elements) {
    const auto found = std::find(numbers.begin(), numbers.end(), atomic_number(symbol));
    if (found == numbers.end())
      throw std::runtime_error(file.path() + ": its training statistics hold no " + symbol +
                               REMEDY);
    read->largest_of_type_.push_back(thresholds[5 * (size_t) (found - numbers.begin()) + 4]);
  }
  return read;
}

void OwnUncertainty::prepare(const std::vector<ReadoutInput> &inputs,
                             const std::vector<double> &matrix)
{
  const char *simd = "";
  kernels_ = &best_kernels<double>(&simd);
  widest_ = 1;
  for (const ReadoutInput &input : inputs) {
    Part part{input.first, width_of(input), {}, input.activation};
    int nin = (int) input.channels;
    for (const HiddenLayer &from : input.hidden) {
      const int nout = (int) from.matrix.size() / nin, width = padded(nout);
      Layer layer{nin, nout, {}, {}};
      layer.matrix.resize((size_t) nin * width);
      pad_matrix(layer.matrix, 0, from.matrix.data(), 1, nin, nout, false);
      layer.bias.resize(width);
      std::copy(from.bias.begin(), from.bias.end(), layer.bias.data());
      part.hidden.push_back(std::move(layer));
      widest_ = std::max(widest_, (size_t) width);
      nin = nout;
    }
    parts_.push_back(std::move(part));
  }
  axes_ = matrix.size() / width_;
  const size_t axes = padded((int) axes_);
  matrix_.resize(width_ * axes);
  pad_matrix(matrix_, 0, matrix.data(), 1, (int) axes_, (int) width_, true);
  f_.resize(BLOCK * width_);
  for (Array<double> *array : {&before_, &hidden_}) array->resize(BLOCK * widest_);
  along_.resize(BLOCK * axes);
}

/* f of a block of atoms. */

void OwnUncertainty::take_inputs(const double *const *features, int count)
{
  double *f = f_.data();
  for (const Part &part : parts_) {
    const double *in[BLOCK];
    for (int a = 0; a < count; a++) in[a] = features[a] + part.first;
    for (const Layer &layer : part.hidden) {
      const int width = padded(layer.nout);
      double *out[BLOCK];
      for (int a = 0; a < count; a++) {
        out[a] = before_.data() + a * widest_;
        std::copy_n(layer.bias.data(), width, out[a]);
      }
      kernels_->linear(count, layer.nin, width, in, layer.matrix.data(), out, true);
      for (int a = 0; a < count; a++) {
        double *active = hidden_.data() + a * widest_;
        activate(part.activation, 1.0, layer.nout, out[a], active);
        in[a] = active;
      }
    }
    for (int a = 0; a < count; a++) std::copy_n(in[a], part.width, f + a * width_);
    f += part.width;
  }
}

void OwnUncertainty::evaluate(int nlist, const int *list, const int *type, const double *features,
                              double *values)
{
  const int axes = padded((int) axes_);
  for (int begin = 0; begin < nlist; begin += BLOCK) {
    const int count = std::min(BLOCK, nlist - begin);
    const double *of_atom[BLOCK], *f[BLOCK];
    double *along[BLOCK];
    for (int a = 0; a < count; a++) {
      of_atom[a] = features + (size_t) list[begin + a] * features_;
      f[a] = f_.data() + a * width_;
      along[a] = along_.data() + a * axes;
    }
    take_inputs(of_atom, count);
    kernels_->linear(count, (int) width_, axes, f, matrix_.data(), along, false);
    for (int a = 0; a < count; a++) {
      double measure = 0.0;
      for (size_t m = 0; m < axes_; m++) measure += along[a][m] * along[a][m];
      const int i = list[begin + a];
      values[i] = std::sqrt(measure / largest_of_type_[type[i] - 1]);
    }
  }
}
