// SPDX-License-Identifier: GPL-2.0-or-later

#include "screened_repulsion.h"

#include "jet.h"
#include "radial_table.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

using namespace lamplighter;

namespace {

/* Energies of two uranium nuclei, which are screened within the shortest length, are off by 1e-9 of
   their value then. */
constexpr int INTERVALS = 512;

/* The energy times the distance, without prefactors. */
Jet screening(double distance, double zi, double zj, double cutoff, double power)
{
  const double weights[4] = {0.02817, 0.28022, 0.50986, 0.18175};
  const double exponents[4] = {0.20162, 0.40290, 0.94229, 3.19980};
  const Jet r{distance, 1.0, 0.0};
  const double inverse_length = (std::pow(zi, 0.23) + std::pow(zj, 0.23)) / 0.46850;
  Jet sum{0.0, 0.0, 0.0};
  for (int k = 0; k < 4; k++)
    sum = sum + weights[k] * exponential((-exponents[k] * inverse_length) * r);
  return sum * envelope(r, cutoff, power);
}

}    // namespace

ScreenedRepulsion::ScreenedRepulsion(double zi, double zj, double prefactor, double cutoff,
                                     double power) : nodes_(radial_nodes(cutoff, INTERVALS))
{
  // derivatives are by the place, counted in intervals
  const auto node = [&](int k) {
    const double r = k < INTERVALS ? distance_of(nodes_, k) : cutoff;
    const PlaceDerivatives by(nodes_, r);
    const Jet y = prefactor * zi * zj * screening(r, zi, zj, cutoff, power);
    return Jet{y.v, y.d * by.first, y.c * by.first * by.first + y.d * by.second};
  };
  Jet a = node(0);
  for (int k = 0; k < INTERVALS; k++) {
    const Jet b = node(k + 1);
    // what is left of the end after the first three terms
    const double v = b.v - a.v - a.d - 0.5 * a.c, d = b.d - a.d - a.c, c = b.c - a.c;
    coefficients_.insert(coefficients_.end(),
                         {a.v, a.d, 0.5 * a.c, 10.0 * v - 4.0 * d + 0.5 * c,
                          -15.0 * v + 7.0 * d - c, 6.0 * v - 3.0 * d + 0.5 * c});
    a = b;
  }
}

double ScreenedRepulsion::energy(double r, double &slope) const
{
  const double bent = 1.0 / (1.0 + nodes_.bend * r);
  const double place = (r * bent - nodes_.start) / nodes_.spacing;
  const int interval = std::min(std::max((int) place, 0), INTERVALS - 1);
  const double *c = coefficients_.data() + (size_t) interval * 6, t = place - interval;
  const double value = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))));
  const double by_place = c[1] +
      t * (2.0 * c[2] + t * (3.0 * c[3] + t * (4.0 * c[4] + t * 5.0 * c[5])));
  const double energy = value / r;
  slope = (by_place * bent * bent / nodes_.spacing - energy) / r;
  return energy;
}
