// SPDX-License-Identifier: GPL-2.0-or-later

#include "layered_tables.h"

#include "jet.h"
#include "quintic_spline.h"
#include "radial_table.h"

#include <algorithm>
#include <cmath>

using namespace lamplighter;

namespace {

/* 1 up to where it begins, and (c - x)^2 (c + 2 x - 3 o) / (c - o)^3 beyond, in squares of
   distances. */
Jet xplor(const Jet &r, double cutoff, double begin, bool beyond)
{
  if (!beyond) return {1.0, 0.0, 0.0};
  const double c = cutoff * cutoff, o = begin * begin, all = (c - o) * (c - o) * (c - o);
  const Jet x = r * r, rest = c + -1.0 * x;
  return (1.0 / all) * (rest * rest * ((c - 3.0 * o) + 2.0 * x));
}

/* 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), x = r / cutoff */
Jet polynomial(const Jet &r, double cutoff, double p)
{
  const Jet x = (1.0 / cutoff) * r;
  return 1.0 +
      power(x, p) *
      (-0.5 * (p + 1.0) * (p + 2.0) + (p * (p + 2.0)) * x + (-0.5 * p * (p + 1.0)) * x * x);
}

Jet softplus(const Jet &a)
{
  const double s = 1.0 / (1.0 + std::exp(-a.v));
  const double f = a.v > 30.0 ? a.v : std::log1p(std::exp(a.v));
  return chain(a, f - std::log(2.0), s, s * (1.0 - s));
}

Jet activated(Activation activation, const Jet &a)
{
  switch (activation) {
  case Activation::SILU:
    return silu(a);
  case Activation::TANH:
    return hyperbolic_tangent(a);
  case Activation::SOFTPLUS:
    return softplus(a);
  default:
    return a;
  }
}

}    // namespace

RadialGrid::RadialGrid(const LayeredRadial &radial, int about)
{
  nodes = radial_nodes(radial.r_max, about);
  before_kink = about;
  if (radial.cutoff != LayeredRadial::XPLOR) return;
  const auto place = [&](double r) { return r / (1.0 + nodes.bend * r); };
  const double kink = place(radial.cutoff_parameter), first = nodes.start,
               rest = place(radial.r_max) - kink;
  int beyond = std::max(4, (int) std::lround(rest / nodes.spacing));
  do {
    nodes.spacing = rest / beyond;
    before_kink = (int) std::ceil((kink - first) / nodes.spacing - 1e-9);
    nodes.start = kink - before_kink * nodes.spacing;
    nodes.intervals = before_kink + beyond;
    beyond++;
  } while (nodes.start < first / 4);
}

HiddenFunctions::HiddenFunctions(const LayeredRadial &radial, const InteractionLayer &layer,
                                 int l_max) :
    radial_(radial), layer_(layer), hidden_(layer.perceptron_widths[layer.perceptron.size() - 1]),
    powers_(radial.solid ? l_max + 1 : 1)
{
}

void HiddenFunctions::evaluate(double distance, bool beyond, double *value, double *slope,
                               double *curvature) const
{
  const Jet r{distance, 1.0, 0.0};
  const double r_max = radial_.r_max;
  const Jet cutoff = radial_.cutoff == LayeredRadial::XPLOR
      ? xplor(r, r_max, radial_.cutoff_parameter, beyond)
      : polynomial(r, r_max, radial_.cutoff_parameter);
  std::vector<Jet> in, out;
  const Jet inverse = reciprocal(r);
  for (const double w : radial_.frequencies) {
    const Jet a = w * r;
    const double s = std::sin(a.v);
    in.push_back(radial_.prefactor * chain(a, s, std::cos(a.v), -s) * inverse * cutoff);
  }
  for (size_t k = 0; k + 1 < layer_.perceptron.size(); k++) {
    const auto &weights = layer_.perceptron[k];
    const size_t nout = (size_t) layer_.perceptron_widths[k + 1];
    out.assign(nout, {0.0, 0.0, 0.0});
    for (size_t a = 0; a < in.size(); a++)
      for (size_t b = 0; b < nout; b++) out[b] = out[b] + weights[a * nout + b] * in[a];
    for (Jet &y : out) y = activated(radial_.activation, y);
    in.swap(out);
  }
  Jet scale{1.0, 0.0, 0.0};
  for (int l = 0; l < powers_; l++) {
    for (int k = 0; k < hidden_; k++) {
      const Jet y = in[k] * scale;
      value[l * hidden_ + k] = y.v;
      slope[l * hidden_ + k] = y.d;
      curvature[l * hidden_ + k] = y.c;
    }
    scale = scale * r;
  }
}

std::vector<double> lamplighter::tabulate(const HiddenFunctions &functions, const RadialGrid &grid)
{
  const Nodes &nodes = grid.nodes;
  const int width = functions.width();
  std::vector<double> all, ignored(2 * (size_t) width);
  for (int begin = 0; begin < nodes.intervals;) {
    const bool beyond = begin >= grid.before_kink;
    const int n = (beyond ? nodes.intervals : grid.before_kink) - begin;
    std::vector<double> rows((size_t) (n + 5) * width);
    const auto row = [&](int k) { return &rows[(size_t) k * width]; };
    // rows of value, slope and curvature at an end, the last two by the place between nodes
    const auto set_end = [&](int node, double *value, double *slope, double *curvature) {
      const double r = distance_of(nodes, begin + node);
      functions.evaluate(r, beyond, value, slope, curvature);
      const PlaceDerivatives by(nodes, r);
      for (int c = 0; c < width; c++) {
        curvature[c] = curvature[c] * by.first * by.first + slope[c] * by.second;
        slope[c] *= by.first;
      }
    };
    set_end(0, row(0), row(1), row(2));
    for (int k = 1; k < n; k++)
      functions.evaluate(distance_of(nodes, begin + k), beyond, row(k + 2), ignored.data(),
                         ignored.data() + width);
    set_end(n, row(n + 2), row(n + 3), row(n + 4));
    solve_quintic_spline(n, width, rows);
    all.insert(all.end(), rows.begin(), rows.end());
    begin += n;
  }
  return all;
}

TableCheck::TableCheck(const HiddenFunctions &functions, const RadialGrid &grid,
                       const std::vector<double> &splines, double from)
{
  // of the six coefficients around the middle of an interval
  const double at_middle[6] = {1.0 / 3840.0,    237.0 / 3840.0, 1682.0 / 3840.0,
                               1682.0 / 3840.0, 237.0 / 3840.0, 1.0 / 3840.0};
  const double tilt_at_middle[6] = {-1.0 / 384.0,  -75.0 / 384.0, -154.0 / 384.0,
                                    154.0 / 384.0, 75.0 / 384.0,  1.0 / 384.0};
  const int width = functions.width();
  std::vector<double> exact(3 * (size_t) width);
  for (int k = 0; k < grid.nodes.intervals; k++) {
    const double r = distance_of(grid.nodes, k + 0.5),
                 by_place = PlaceDerivatives(grid.nodes, r).first;
    if (r < from) continue;
    functions.evaluate(r, k >= grid.before_kink, exact.data(), exact.data() + width,
                       exact.data() + 2 * width);
    const double *a = &splines[(size_t) grid.row(k) * width];
    for (int d = 0; d < 2; d++)
      for (int c = 0; c < width; c++) {
        double sum = 0.0;
        for (int q = 0; q < 6; q++)
          sum += (d ? tilt_at_middle[q] / by_place : at_middle[q]) * a[q * width + c];
        value.push_back(exact[(size_t) d * width + c]);
        difference.push_back(sum - value.back());
      }
  }
}
