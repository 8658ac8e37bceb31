// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_RADIAL_TABLE_H
#define LAMPLIGHTER_RADIAL_TABLE_H

#include "mace_parameters.h"

#include <vector>

namespace lamplighter {

/* Closer than this (Angstrom) no model has data and energies overflow. */
constexpr double SHORTEST_DISTANCE = 0.1;

/* Radial functions of a layer at a distance, with their first and second derivatives. */
class RadialFunction {
 public:
  RadialFunction(const Mace &mace, const Layer &layer, int receiver, int sender);

  int width() const { return width_; }    // perceptron outputs, and the density if there is one
  /* value, slope (1/A) and curvature (1/A^2): [width] each. */
  void evaluate(double r, double *value, double *slope, double *curvature) const;

 private:
  const Mace &mace_;
  const Layer &layer_;
  size_t pair_;    // receiver's species * species + sender's
  double radius_sum_;
  int width_;
};

/* Radial functions as quintic splines with evenly spaced nodes between SHORTEST_DISTANCE and the
   cutoff: an error that falls with the sixth power of the spacing, one number for each node, and
   six of them to a value or slope. */
struct RadialTable {
  int intervals, width;
  double start, spacing;
  // [intervals + 5][width] of the basis splines; interval k needs rows k to k + 5
  std::vector<double> coefficients;

  RadialTable(const RadialFunction &function, double cutoff, int intervals);
  /* The largest error of value and of spacing-free slope halfway between nodes beyond `from`,
     relative to the largest value and slope. */
  double error(const RadialFunction &function, double from) const;
};

}    // namespace lamplighter

#endif
