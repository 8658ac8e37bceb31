// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_QUINTIC_SPLINE_H
#define LAMPLIGHTER_QUINTIC_SPLINE_H

#include <vector>

namespace lamplighter {

/* Coefficients of quintic splines with n intervals of length 1, in place of what determines them.
   `rows`, [n + 5][width]: value, slope and curvature at the first node, the values at all others,
   slope and curvature at the last. Interval k then needs rows k to k + 5. */
void solve_quintic_spline(int n, int width, std::vector<double> &rows);

}    // namespace lamplighter

#endif
