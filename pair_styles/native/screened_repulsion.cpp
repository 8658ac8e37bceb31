// SPDX-License-Identifier: GPL-2.0-or-later

#include "screened_repulsion.h"

using namespace lamplighter;

Jet lamplighter::screened_repulsion(double distance, double zi, double zj, double prefactor,
                                    double cutoff, double power)
{
  const double weights[4] = {0.02817, 0.28022, 0.50986, 0.18175};
  const double exponents[4] = {0.20162, 0.40290, 0.94229, 3.19980};
  const Jet r{distance, 1.0, 0.0};
  const double inverse_length = (std::pow(zi, 0.23) + std::pow(zj, 0.23)) / 0.46850;
  Jet screening{0.0, 0.0, 0.0};
  for (int k = 0; k < 4; k++)
    screening = screening + weights[k] * exponential((-exponents[k] * inverse_length) * r);
  return prefactor * zi * zj * (reciprocal(r) * screening * envelope(r, cutoff, power));
}
