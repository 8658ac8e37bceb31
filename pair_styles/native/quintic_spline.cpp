// SPDX-License-Identifier: GPL-2.0-or-later

#include "quintic_spline.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

using namespace lamplighter;

namespace {

constexpr int BAND = 4;    // coefficients beside the diagonal, before rows are exchanged

/* Solves a banded system for all columns of `right`, [n][columns], in place. Row i of the matrix
   holds its coefficients of unknowns i - BAND to i + 2 BAND. Gaussian elimination with row
   exchanges. */
class BandedSystem {
 public:
  explicit BandedSystem(int n) : n_(n), rows_((size_t) n * WIDTH, 0.0) {}
  double &operator()(int row, int column)
  {
    return rows_[(size_t) row * WIDTH + column - row + BAND];
  }
  void solve(std::vector<double> &right, int columns)
  {
    for (int i = 0; i < n_; i++) {
      bring_pivot(right, columns, i);
      for (int k = i + 1; k <= std::min(i + BAND, n_ - 1); k++) {
        const double factor = (*this)(k, i) / (*this)(i, i);
        if (factor == 0.0) continue;
        for (int j = i; j <= last(i); j++) (*this)(k, j) -= factor * (*this)(i, j);
        for (int c = 0; c < columns; c++)
          right[(size_t) k * columns + c] -= factor * right[(size_t) i * columns + c];
      }
    }
    for (int i = n_ - 1; i >= 0; i--) {
      for (int j = i + 1; j <= last(i); j++)
        for (int c = 0; c < columns; c++)
          right[(size_t) i * columns + c] -= (*this)(i, j) * right[(size_t) j * columns + c];
      for (int c = 0; c < columns; c++) right[(size_t) i * columns + c] /= (*this)(i, i);
    }
  }

 private:
  static constexpr int WIDTH = 3 * BAND + 1;
  int n_;
  std::vector<double> rows_;

  int last(int row) const { return std::min(row + 2 * BAND, n_ - 1); }
  void bring_pivot(std::vector<double> &right, int columns, int i)
  {
    int best = i;
    for (int k = i + 1; k <= std::min(i + BAND, n_ - 1); k++)
      if (std::fabs((*this)(k, i)) > std::fabs((*this)(best, i))) best = k;
    if (best == i) return;
    for (int j = i; j <= last(i); j++) std::swap((*this)(i, j), (*this)(best, j));
    std::swap_ranges(right.begin() + (std::ptrdiff_t) i * columns,
                     right.begin() + (std::ptrdiff_t) (i + 1) * columns,
                     right.begin() + (std::ptrdiff_t) best * columns);
  }
};

}    // namespace

/* At a node, five coefficients give value (1 26 66 26 1) / 120, slope (-1 -10 0 10 1) / 24 and
   curvature (1 2 -6 2 1) / 6 in units of the spacing. */
void lamplighter::solve_quintic_spline(int n, int width, std::vector<double> &rows)
{
  const double value[5] = {1.0 / 120.0, 26.0 / 120.0, 66.0 / 120.0, 26.0 / 120.0, 1.0 / 120.0};
  const double slope[5] = {-1.0 / 24.0, -10.0 / 24.0, 0.0, 10.0 / 24.0, 1.0 / 24.0};
  const double curvature[5] = {1.0 / 6.0, 2.0 / 6.0, -1.0, 2.0 / 6.0, 1.0 / 6.0};
  BandedSystem system(n + 5);
  for (int c = 0; c < 5; c++) {
    system(0, c) = value[c];
    system(1, c) = slope[c];
    system(2, c) = curvature[c];
    for (int k = 1; k <= n; k++) system(k + 2, k + c) = value[c];
    system(n + 3, n + c) = slope[c];
    system(n + 4, n + c) = curvature[c];
  }
  system.solve(rows, width);
}
