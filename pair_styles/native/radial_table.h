// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_RADIAL_TABLE_H
#define LAMPLIGHTER_RADIAL_TABLE_H

#include "kernels.h"
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

/* Nodes between SHORTEST_DISTANCE and the cutoff for radial functions of any model. Bessel
   functions and what a perceptron makes of them are steepest at bonds: spacings at the cutoff are
   about four times those at SHORTEST_DISTANCE. */
Nodes radial_nodes(double cutoff, int intervals);

/* The distance at a place counted in spacings from the first node. */
double distance_of(const Nodes &, double place);

/* Derivatives of the distance by that place. */
struct PlaceDerivatives {
  double first, second;
  PlaceDerivatives(const Nodes &, double distance);
};

/* Radial functions as quintic splines: an error that falls with the sixth power of the spacing, one
   number for each node, and six of them to a value or slope. */
struct RadialTable {
  int width;
  Nodes nodes;
  // [intervals + 5][width] of the basis splines; interval k needs rows k to k + 5
  std::vector<double> coefficients;

  RadialTable(const RadialFunction &function, const Nodes &);
  /* The largest error of value and of spacing-free slope halfway between nodes beyond `from`,
     relative to the largest value and slope. */
  double error(const RadialFunction &function, double from) const;
};

}    // namespace lamplighter

#endif
