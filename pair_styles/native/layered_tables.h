// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_LAYERED_TABLES_H
#define LAMPLIGHTER_LAYERED_TABLES_H

#include "kernels.h"
#include "layered_parameters.h"

#include <cstddef>
#include <vector>

namespace lamplighter {

/* Nodes up to the cutoff. Where the radial functions have a kink (in their second derivative) one
   node lies on it, and the spline begins anew: its intervals use other rows. */
struct RadialGrid {
  Nodes nodes;
  int before_kink;    // intervals

  RadialGrid(const LayeredRadial &, int about);
  int rows() const { return nodes.intervals + (before_kink < nodes.intervals ? 10 : 5); }
  /* The first of the six rows of an interval. */
  int row(int interval) const { return interval + (interval >= before_kink ? 5 : 0); }
};

/* What the last matrix of a radial perceptron multiplies, times powers of the distance where the
   harmonics are solid ones. A spline of it times the matrix is the spline of the weights. */
class HiddenFunctions {
 public:
  HiddenFunctions(const LayeredRadial &, const InteractionLayer &, int l_max);

  int hidden() const { return hidden_; }
  int width() const { return hidden_ * powers_; }
  /* Where those begin that belong to harmonics of degree l. */
  int first(int l) const { return powers_ > 1 ? l * hidden_ : 0; }
  /* value, slope (1/A), curvature (1/A^2): [width] each; `beyond` the kink or before it. */
  void evaluate(double r, bool beyond, double *value, double *slope, double *curvature) const;

 private:
  const LayeredRadial &radial_;
  const InteractionLayer &layer_;
  int hidden_, powers_;
};

/* Quintic splines of the hidden functions: [rows][width]. */
std::vector<double> tabulate(const HiddenFunctions &, const RadialGrid &);

/* What the splines lack halfway between nodes beyond `from`, and what is there: rows of `width`
   numbers, values and slopes in turn. */
struct TableCheck {
  std::vector<double> difference, value;
  TableCheck(const HiddenFunctions &, const RadialGrid &, const std::vector<double> &splines,
             double from);
};

}    // namespace lamplighter

#endif
