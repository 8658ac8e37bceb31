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

/* Atoms are treated this many at a time: each number of A is loaded once for all of them. */
constexpr size_t BLOCK = 8;

constexpr int64_t VERSION = 1;
const std::string REMEDY = ": make it again with 'lamplighter compile MODEL --training TRAIN.xyz'";

size_t width_of(const ReadoutInput &input)
{
  return input.hidden.empty() ? input.channels : input.hidden.size() / input.channels;
}

}    // namespace

std::unique_ptr<OwnUncertainty> lamplighter::read_own_uncertainty(
    const TensorFile &file, std::vector<ReadoutInput> inputs, size_t features,
    const std::vector<int> &numbers, const std::vector<std::string> &elements)
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
  read->inputs_ = std::move(inputs);
  read->features_ = features;
  read->width_ = 0;
  for (const ReadoutInput &input : read->inputs_) read->width_ += width_of(input);
  read->matrix_ = file.doubles(section + "matrix", {-1, (int64_t) read->width_});
  const int64_t axes = file.shape(section + "matrix")[0];
  if (axes < 1 || axes > (int64_t) read->width_)
    throw std::runtime_error("Model file " + file.path() + ": its training statistics have " +
                             std::to_string(axes) + " axes for " + std::to_string(read->width_) +
                             " numbers of the last layers" + REMEDY);
  read->block_.resize(read->width_ * BLOCK);

  // what only Python reads is held to be whole, too
  const auto nspecies = (int64_t) numbers.size();
  file.doubles(section + "explained", {axes});
  const std::vector<double> thresholds = file.doubles(section + "thresholds", {nspecies, 5});
  const std::vector<int64_t> atoms = file.integers(section + "atoms", {nspecies});
  for (size_t s = 0; s < numbers.size(); s++) {
    const std::string symbol = element_symbol(numbers[s]);
    file.doubles(section + "points." + symbol, {-1, 2});
    if (!(thresholds[5 * s + 4] > 0.0) || atoms[s] < 1)
      throw std::runtime_error("Model file " + file.path() + ": its training statistics hold no " +
                               symbol + REMEDY);
  }
  for (const std::string &symbol : elements) {
    const auto found = std::find(numbers.begin(), numbers.end(), atomic_number(symbol));
    read->largest_of_type_.push_back(thresholds[5 * (size_t) (found - numbers.begin()) + 4]);
  }
  return read;
}

/* f of one atom into its place in the block. */

void OwnUncertainty::take_inputs(const double *features, size_t place)
{
  double *to = block_.data() + place;
  for (const ReadoutInput &input : inputs_) {
    const double *scalars = features + input.first;
    const size_t width = width_of(input);
    for (size_t k = 0; k < width; k++, to += BLOCK) {
      if (input.hidden.empty()) {
        *to = scalars[k];
        continue;
      }
      double sum = 0.0;
      for (size_t c = 0; c < input.channels; c++) sum += scalars[c] * input.hidden[c * width + k];
      *to = sum / (1.0 + std::exp(-sum));
    }
  }
}

void OwnUncertainty::evaluate(int nlist, const int *list, const int *type, const double *features,
                              double *values)
{
  const size_t naxes = matrix_.size() / width_;
  for (int begin = 0; begin < nlist; begin += (int) BLOCK) {
    const size_t count = std::min(BLOCK, (size_t) (nlist - begin));
    // places beyond the last atom keep what an earlier one left there
    for (size_t a = 0; a < count; a++)
      take_inputs(features + (size_t) list[begin + (int) a] * features_, a);
    double measure[BLOCK] = {};
    for (size_t m = 0; m < naxes; m++) {
      const double *row = matrix_.data() + m * width_;
      double along[BLOCK] = {};
      for (size_t d = 0; d < width_; d++)
        for (size_t a = 0; a < BLOCK; a++) along[a] += row[d] * block_[d * BLOCK + a];
      for (size_t a = 0; a < BLOCK; a++) measure[a] += along[a] * along[a];
    }
    for (size_t a = 0; a < count; a++) {
      const int i = list[begin + (int) a];
      values[i] = std::sqrt(measure[a] / largest_of_type_[type[i] - 1]);
    }
  }
}
