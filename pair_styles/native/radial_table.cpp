// SPDX-License-Identifier: GPL-2.0-or-later

#include "radial_table.h"

#include "jet.h"
#include "quintic_spline.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

using namespace lamplighter;

namespace {

/* Agnesi: (1 + a x^q / (1 + x^(q-p)))^-1, x = r / mean covalent radius.
   Soft: p0 + (r - p0) (1 + tanh(alpha (r - m) / (p1 - p0))) / 2, p0 and p1 three and four quarters
   and thirds of the bond length. */
Jet transform(const RadialBasis &basis, const Jet &r, double radius_sum)
{
  const auto &q = basis.transform_parameters;
  if (basis.transform == RadialBasis::AGNESI) {
    const Jet x = (2.0 / radius_sum) * r;
    return reciprocal(1.0 + q[0] * power(x, q[1]) * reciprocal(1.0 + power(x, q[1] - q[2])));
  }
  if (basis.transform == RadialBasis::SOFT) {
    const double p0 = 0.75 * radius_sum, p1 = 4.0 / 3.0 * radius_sum, m = 0.5 * (p0 + p1);
    const Jet s = 0.5 * (1.0 + hyperbolic_tangent((q[0] / (p1 - p0)) * (-m + r)));
    return p0 + (-p0 + r) * s;
  }
  return r;
}

Jet basis_function(const RadialBasis &basis, size_t n, const Jet &x)
{
  const double w = basis.parameters[n];
  if (basis.kind == RadialBasis::BESSEL) {
    const Jet a = w * x;
    const double s = std::sin(a.v);
    return basis.prefactor * chain(a, s, std::cos(a.v), -s) * reciprocal(x);
  }
  const Jet a = -w + x;
  return exponential(basis.prefactor * a * a);
}

/* x <- (x - mean) / sqrt(variance + 1e-5) * scale + shift, over all of them: torch's LayerNorm. */
void normalise(const std::vector<double> &norm, std::vector<Jet> &x)
{
  const double n = (double) x.size();
  Jet mean{0.0, 0.0, 0.0}, variance{0.0, 0.0, 0.0};
  for (const Jet &y : x) mean = mean + (1.0 / n) * y;
  for (Jet &y : x) {
    y = y + -1.0 * mean;
    variance = variance + (1.0 / n) * y * y;
  }
  const Jet inverse = power(1e-5 + variance, -0.5);
  for (size_t k = 0; k < x.size(); k++) x[k] = norm[x.size() + k] + norm[k] * inverse * x[k];
}

/* What a network makes of `x`, in its place; `pair` of the biases of the first layer. */
void apply(const Perceptron &network, size_t pair, std::vector<Jet> &x)
{
  std::vector<Jet> out;
  for (size_t k = 0; k < network.matrices.size(); k++) {
    const auto &weights = network.matrices[k];
    const size_t nout = (size_t) network.widths[k + 1];
    out.assign(nout, {0.0, 0.0, 0.0});
    if (network.of_species())
      for (size_t b = 0; b < nout; b++) out[b].v = network.biases[k][(k ? 0 : pair * nout) + b];
    for (size_t a = 0; a < x.size(); a++)
      for (size_t b = 0; b < nout; b++) out[b] = out[b] + weights[a * nout + b] * x[a];
    if (k + 1 < network.matrices.size()) {
      if (!network.norms.empty()) normalise(network.norms[k], out);
      for (auto &y : out) y = silu(y);
    }
    x.swap(out);
  }
}

}    // namespace

RadialFunction::RadialFunction(const Mace &mace, const Layer &layer, int receiver, int sender) :
    mace_(mace), layer_(layer), pair_((size_t) receiver * mace.numbers.size() + (size_t) sender),
    radius_sum_(mace.covalent_radii[receiver] + mace.covalent_radii[sender]),
    width_(layer.perceptron.widths.back() + (layer.density.matrices.empty() ? 0 : 1))
{
}

void RadialFunction::evaluate(double distance, double *value, double *slope,
                              double *curvature) const
{
  const RadialBasis &basis = mace_.basis;
  const Jet r{distance, 1.0, 0.0};
  const Jet x = transform(basis, r, radius_sum_);
  const Jet cutoff = envelope(r, basis.r_max, basis.cutoff_power);
  const Jet one{1.0, 0.0, 0.0};

  std::vector<Jet> in;
  for (size_t n = 0; n < basis.parameters.size(); n++)
    in.push_back(basis_function(basis, n, x) * (basis.cutoff_after_perceptron ? one : cutoff));

  const Jet outer = basis.cutoff_after_perceptron ? cutoff : one;
  if (!layer_.density.matrices.empty()) {
    std::vector<Jet> sum = in;
    apply(layer_.density, pair_, sum);
    const Jet density = hyperbolic_tangent(sum[0] * sum[0]) * outer;
    value[width_ - 1] = density.v;
    slope[width_ - 1] = density.d;
    curvature[width_ - 1] = density.c;
  }
  apply(layer_.perceptron, pair_, in);
  for (size_t b = 0; b < in.size(); b++) {
    const Jet y = in[b] * outer;
    value[b] = y.v;
    slope[b] = y.d;
    curvature[b] = y.c;
  }
}

Nodes lamplighter::radial_nodes(double cutoff, int intervals)
{
  const double bend = 1.0 / cutoff, start = SHORTEST_DISTANCE / (1.0 + bend * SHORTEST_DISTANCE);
  return {start, (cutoff / (1.0 + bend * cutoff) - start) / intervals, bend, intervals};
}

RadialTable::RadialTable(const RadialFunction &function, const Nodes &at) :
    width(function.width()), nodes(at), coefficients((size_t) (at.intervals + 5) * function.width())
{
  std::vector<double> ignored(2 * (size_t) width);
  const auto right = [&](int row) { return &coefficients[(size_t) row * width]; };
  // at the cutoff all functions end with zero value, slope and curvature
  const double start = distance_of(nodes, 0.0);
  function.evaluate(start, right(0), right(1), right(2));
  const PlaceDerivatives by(nodes, start);
  for (int c = 0; c < width; c++) {
    right(2)[c] = right(2)[c] * by.first * by.first + right(1)[c] * by.second;
    right(1)[c] *= by.first;
  }
  for (int k = 1; k < nodes.intervals; k++)
    function.evaluate(distance_of(nodes, k), right(k + 2), ignored.data(), ignored.data() + width);
  solve_quintic_spline(nodes.intervals, width, coefficients);
}

double lamplighter::distance_of(const Nodes &nodes, double place)
{
  const double u = nodes.start + place * nodes.spacing;
  return u / (1.0 - nodes.bend * u);
}

/* dr/du = (1 + bend r)^2, d2r/du2 = 2 bend (1 + bend r)^3 */
PlaceDerivatives::PlaceDerivatives(const Nodes &nodes, double distance)
{
  const double stretch = 1.0 + nodes.bend * distance;
  first = nodes.spacing * stretch * stretch;
  second = 2.0 * nodes.bend * first * nodes.spacing * stretch;
}

double RadialTable::error(const RadialFunction &function, double from) const
{
  // of the six coefficients around the middle of an interval
  const double at_middle[6] = {1.0 / 3840.0,    237.0 / 3840.0, 1682.0 / 3840.0,
                               1682.0 / 3840.0, 237.0 / 3840.0, 1.0 / 3840.0};
  const double tilt_at_middle[6] = {-1.0 / 384.0,  -75.0 / 384.0, -154.0 / 384.0,
                                    154.0 / 384.0, 75.0 / 384.0,  1.0 / 384.0};
  std::vector<double> value(width), slope(width), curvature(width);
  double value_error = 0.0, slope_error = 0.0, largest_value = 1e-300, largest_slope = 1e-300;
  for (int k = 0; k < nodes.intervals; k++) {
    const double r = distance_of(nodes, k + 0.5), by_place = PlaceDerivatives(nodes, r).first;
    if (r < from) continue;
    function.evaluate(r, value.data(), slope.data(), curvature.data());
    const double *a = &coefficients[(size_t) k * width];
    for (int c = 0; c < width; c++) {
      double middle = 0.0, tilt = 0.0;
      for (int q = 0; q < 6; q++) {
        middle += at_middle[q] * a[q * width + c];
        tilt += tilt_at_middle[q] * a[q * width + c] / by_place;
      }
      value_error = std::max(value_error, std::fabs(middle - value[c]));
      slope_error = std::max(slope_error, std::fabs(tilt - slope[c]));
      largest_value = std::max(largest_value, std::fabs(value[c]));
      largest_slope = std::max(largest_slope, std::fabs(slope[c]));
    }
  }
  return std::max(value_error / largest_value, slope_error / largest_slope);
}
