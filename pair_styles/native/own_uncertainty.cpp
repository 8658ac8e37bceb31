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

/* Atoms are treated this many at a time. */
constexpr int BLOCK = 12;

constexpr int64_t VERSION = 1;
const std::string REMEDY = ": make it again with 'lamplighter compile MODEL --training TRAIN.xyz'";

/* R of a = Q R in place of a, [rows][columns], by Householder reflections: |R f| = |a f| for every
   f, and R has nothing below its diagonal. */
void make_triangular(std::vector<double> &a, size_t rows, size_t columns)
{
  std::vector<double> v(rows), along(columns);
  for (size_t k = 0; k + 1 < rows && k < columns; k++) {
    double length = 0.0;
    for (size_t i = k; i < rows; i++) {
      v[i] = a[i * columns + k];
      length += v[i] * v[i];
    }
    length = std::sqrt(length);
    if (length == 0.0) continue;
    const double diagonal = v[k] > 0.0 ? -length : length;
    const double half = length * (length + std::fabs(v[k]));    // of |v|^2 after the next line
    v[k] -= diagonal;
    std::fill(along.begin(), along.end(), 0.0);
    for (size_t i = k; i < rows; i++)
      for (size_t j = k; j < columns; j++) along[j] += v[i] * a[i * columns + j];
    for (size_t i = k; i < rows; i++) {
      for (size_t j = k + 1; j < columns; j++) a[i * columns + j] -= v[i] * along[j] / half;
      a[i * columns + k] = i == k ? diagonal : 0.0;
    }
  }
}

}    // namespace

std::unique_ptr<OwnUncertainty> lamplighter::read_own_uncertainty(
    const TensorFile &file, size_t width, const std::vector<std::string> &elements)
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
  read->width_ = width;
  std::vector<double> matrix = file.doubles(section + "matrix", {-1, (int64_t) width});
  const int64_t axes = file.shape(section + "matrix")[0];
  if (axes < 1 || axes > (int64_t) width)
    throw std::runtime_error("Model file " + file.path() + ": its training statistics have " +
                             std::to_string(axes) + " axes for " + std::to_string(width) +
                             " numbers of the last layers" + REMEDY);
  read->prepare(std::move(matrix));

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

void OwnUncertainty::prepare(std::vector<double> matrix)
{
  const char *simd = "";
  kernels_ = &best_kernels<double>(&simd);
  axes_ = matrix.size() / width_;
  make_triangular(matrix, axes_, width_);
  size_t size = 0;
  for (size_t n = 0; n < axes_; n += GROUP) size += (width_ - n) * GROUP;
  factor_.resize(size);
  double *to = factor_.data();
  for (size_t n = 0; n < axes_; n += GROUP)
    for (size_t k = n; k < width_; k++, to += GROUP)
      for (size_t i = n; i < std::min(n + GROUP, axes_); i++) to[i - n] = matrix[i * width_ + k];
}

void OwnUncertainty::evaluate(int nlist, const int *list, const int *type, const double *inputs,
                              double *values) const
{
  for (int begin = 0; begin < nlist; begin += BLOCK) {
    const int count = std::min(BLOCK, nlist - begin);
    const double *f[BLOCK];
    double measure[BLOCK];
    for (int a = 0; a < count; a++) f[a] = inputs + (size_t) list[begin + a] * width_;
    kernels_->squared_length(count, (int) width_, (int) axes_, f, factor_.data(), measure);
    for (int a = 0; a < count; a++) {
      const int i = list[begin + a];
      values[i] = std::sqrt(measure[a] / largest_of_type_[type[i] - 1]);
    }
  }
}
