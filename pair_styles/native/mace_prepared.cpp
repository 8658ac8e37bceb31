// SPDX-License-Identifier: GPL-2.0-or-later

#include "mace_prepared.h"

#include "radial_table.h"
#include "species.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

using namespace lamplighter;

namespace {

constexpr double TOLERANCE = 5e-9, TOLERANCE_FLOAT = 4e-7;    // of the radial tables, relative
constexpr int MOST_INTERVALS = 2048;
constexpr double CLOSEST_OF_INTEREST = 0.6;    // Angstrom; bonds to hydrogen compress to 0.7

/* The polynomial of component m of a contraction. */
template <class T>
void build_polynomial(Polynomial<T> &polynomial, const Contraction &contraction, int m,
                      int nspecies, int channels, int lanes)
{
  // coefficient vectors [species][channels] of the monomials, whose rows are in ascending order;
  // a constant row list with -1 for a factor that is absent
  typedef std::vector<double> Coefficient;
  std::map<int, std::map<int, std::map<int, Coefficient>>> monomials;
  for (const ContractionTerm &term : contraction.terms) {
    if (term.m != m || term.value == 0.0) continue;
    int lm[3] = {-1, -1, -1};
    for (int k = 0; k < term.order; k++) {    // insertion: at most three
      int at = k;
      for (; at > 0 && lm[at - 1] > term.lm[k]; at--) lm[at] = lm[at - 1];
      lm[at] = term.lm[k];
    }
    Coefficient &sum = monomials[lm[0]][lm[1]][lm[2]];
    sum.resize((size_t) nspecies * channels, 0.0);
    const int nweights = contraction.nweights[term.order - 1];
    const auto &weights = contraction.weights[term.order - 1];
    for (int s = 0; s < nspecies; s++)
      for (int c = 0; c < channels; c++)
        sum[(size_t) s * channels + c] += term.value *
            weights[((size_t) s * nweights + term.k) * channels + c];
  }
  const Coefficient zero((size_t) nspecies * channels, 0.0);
  std::vector<const Coefficient *> order;
  polynomial.program.push_back((int) monomials.size());
  for (auto &[a, of_a] : monomials) {
    const bool linear = of_a.count(-1) != 0;
    order.push_back(linear ? &of_a.at(-1).at(-1) : &zero);
    polynomial.program.push_back(a);
    polynomial.program.push_back((int) of_a.size() - (linear ? 1 : 0));
    for (auto &[b, of_ab] : of_a) {
      if (b < 0) continue;
      const bool quadratic = of_ab.count(-1) != 0;
      order.push_back(quadratic ? &of_ab.at(-1) : &zero);
      polynomial.program.push_back(b);
      polynomial.program.push_back((int) of_ab.size() - (quadratic ? 1 : 0));
      for (auto &[c, coefficient] : of_ab) {
        if (c < 0) continue;
        order.push_back(&coefficient);
        polynomial.program.push_back(c);
      }
    }
  }
  polynomial.ncoefficients = order.size();
  const int nvectors = padded(channels) / lanes;
  polynomial.coefficients.resize((size_t) nspecies * nvectors * order.size() * lanes);
  for (int s = 0; s < nspecies; s++)
    for (int c = 0; c < channels; c++)
      for (size_t k = 0; k < order.size(); k++)
        polynomial.coefficients[(((size_t) s * nvectors + c / lanes) * order.size() + k) * lanes +
                                c % lanes] = (T) (*order[k])[(size_t) s * channels + c];
}

/* The model without the species that no type is of. */
Mace with_species(const Mace &mace, const std::vector<int> &wanted)
{
  const auto select = [&](const std::vector<double> &from) {
    std::vector<double> to;
    const size_t size = from.size() / mace.numbers.size();
    for (const int s : wanted)
      to.insert(to.end(), from.begin() + (ptrdiff_t) (s * size),
                from.begin() + (ptrdiff_t) ((s + 1) * size));
    return to;
  };
  Mace used = mace;
  used.numbers.clear();
  for (const int s : wanted) used.numbers.push_back(mace.numbers[s]);
  used.covalent_radii = select(mace.covalent_radii);
  used.energies = select(mace.energies);
  // biases of pairs of species: [receiver][sender][out]
  const auto select_pairs = [&](Perceptron &network) {
    if (!network.of_species()) return;
    std::vector<double> to;
    const size_t n = mace.numbers.size(), size = network.biases[0].size() / (n * n);
    for (const int i : wanted)
      for (const int j : wanted) {
        const auto from = network.biases[0].begin() + (ptrdiff_t) (((size_t) i * n + j) * size);
        to.insert(to.end(), from, from + (ptrdiff_t) size);
      }
    network.biases[0] = to;
  };
  for (Layer &layer : used.layers) {
    select_pairs(layer.perceptron);
    select_pairs(layer.density);
    layer.gate.own_constant = select(layer.gate.own_constant);
    layer.sent = select(layer.sent);
    if (layer.linear_per_species)
      for (auto &matrix : layer.linear) matrix = select(matrix);
    for (Contraction &contraction : layer.contraction)
      for (auto &weights : contraction.weights) weights = select(weights);
    layer.residual_constant = select(layer.residual_constant);
    for (auto &matrix : layer.residual) matrix = select(matrix);
  }
  return used;
}

/* Whether radial functions differ with which atom of a pair receives. */
bool is_directed(const Layer &layer)
{
  return layer.perceptron.of_species() || layer.density.of_species();
}

/* As many intervals as the least smooth radial function of a model needs. */
int choose_intervals(const Mace &mace, double tolerance)
{
  const double from = std::min(CLOSEST_OF_INTEREST, mace.basis.r_max / 2);
  const int nspecies = (int) mace.numbers.size();
  // 64, 96, 128, 192, 256 and so on
  for (int n = 64; n < MOST_INTERVALS; n = n & (n - 1) ? n / 3 * 4 : n / 2 * 3) {
    double worst = 0.0;
    for (const Layer &layer : mace.layers)
      for (int a = 0; a < nspecies &&
           (a == 0 || mace.basis.transform != RadialBasis::NONE || is_directed(layer));
           a++)
        for (int b = is_directed(layer) ? 0 : a; b < (is_directed(layer) ? nspecies : a + 1); b++) {
          const RadialFunction function(mace, layer, a, b);
          worst = std::max(
              worst,
              RadialTable(function, radial_nodes(mace.basis.r_max, n)).error(function, from));
        }
    if (worst < tolerance) return n;
  }
  return MOST_INTERVALS;
}

/* A table in the order of the kernels, its density function aside. */
template <class T>
void pack_table(const RadialTable &table, int channels, int l_max, PreparedLayer<T> &layer, T *to)
{
  const int nvector = layer.vector_width / layer.sent_channels;
  for (int k = 0; k < table.nodes.intervals + 5; k++) {
    const double *row = &table.coefficients[(size_t) k * table.width];
    if (layer.has_density) layer.densities.push_back(row[table.width - 1]);
    for (int l = 0; l <= l_max; l++, row += channels)
      for (int c = 0; c < channels; c++)
        to[(size_t) (c / layer.group) * layer.table_group +
           ((size_t) k * (l_max + 1) + l) * layer.group + c % layer.group] = (T) row[c];
    for (int p = 0; p < nvector; p++, row += channels) {
      T *vector_row = to + layer.table_size +
          ((size_t) p * (table.nodes.intervals + 5) + k) * layer.sent_channels;
      for (int c = 0; c < channels; c++) vector_row[c] = (T) row[c];
    }
  }
}

/* Radial functions of all pairs of species as tables; notes their error in the model. */
template <class T>
void prepare_tables(const Mace &mace, const Layer &layer, PreparedMace<T> &model,
                    PreparedLayer<T> &to)
{
  const int nspecies = (int) mace.numbers.size();
  // a network that knows the species tells who sends and who receives
  const bool directed = is_directed(layer);
  const bool same = mace.basis.transform == RadialBasis::NONE && !directed;
  const int ntables = same ? 1 : directed ? nspecies * nspecies : nspecies * (nspecies + 1) / 2;
  const int rows = model.nodes.intervals + 5;
  to.table_group = rows * (model.l_max + 1) * to.group;
  to.table_size = to.table_group * (to.sent_channels / to.group);
  to.tables_step = (size_t) to.table_size + (size_t) rows * to.vector_width;
  to.tables.resize(to.tables_step * ntables);
  to.table_of_pair.assign((size_t) nspecies * nspecies, 0);
  int count = 0;
  for (int a = 0; a < nspecies; a++)
    for (int b = directed ? 0 : a; b < nspecies; b++) {
      if (same && count > 0) continue;
      const RadialFunction function(mace, layer, a, b);
      const RadialTable table(function, model.nodes);
      model.table_error = std::max(
          model.table_error,
          table.error(function, std::min(CLOSEST_OF_INTEREST, model.cutoff / 2)));
      pack_table(table, layer.edge_channels, model.l_max, to,
                 to.tables.data() + count * to.tables_step);
      to.table_of_pair[(size_t) a * nspecies + b] = count;
      if (!directed) to.table_of_pair[(size_t) b * nspecies + a] = count;
      count++;
    }
}

/* Layer t of one model, whose species are those that are used. */
template <class T>
void prepare_layer(const Mace &mace, int t, int lanes, PreparedMace<T> &model, PreparedLayer<T> &to)
{
  const Layer &layer = mace.layers[t];
  const int l_max = model.l_max;
  const int nspecies = (int) mace.numbers.size();
  const int C = mace.channels, sent = layer.edge_channels;
  to.sent_channels = padded(sent);
  to.group = group_of(to.sent_channels, lanes);
  to.sent_rows = (layer.l_sent + 1) * (layer.l_sent + 1);
  to.out_rows = (layer.l_out + 1) * (layer.l_out + 1);

  // Rows of the sums: degree by degree, m by m, path by path, so that a linear layer finds the
  // channels of all paths to one component side by side.
  std::fill(to.degree_paths, to.degree_paths + 4, 0);
  for (const Path &path : layer.paths) to.degree_paths[path.l3]++;
  to.degree_row[0] = 0;
  for (int l = 0; l < 4; l++)
    to.degree_row[l + 1] = to.degree_row[l] + (2 * l + 1) * to.degree_paths[l];
  to.sum_rows = to.degree_row[4];

  // scalar paths first among the radial functions: function l couples a scalar to degree l
  std::vector<int> radial_of_path(layer.paths.size(), -1);
  std::vector<double> scale_of_path(layer.paths.size(), 1.0);
  std::vector<int> seen(4, 0);
  int nradial = l_max + 1;    // those of vectors after them
  for (int l = 0; l <= 3; l++) to.scalar_row[l] = to.scalar_step[l] = 0;
  std::vector<bool> scalar_found(l_max + 1, false);
  to.most_couplings = to.most_products = 0;
  for (size_t p = 0; p < layer.paths.size(); p++) {
    const Path &path = layer.paths[p];
    const int place = seen[path.l3]++;
    if (path.l1 == 0) {
      radial_of_path[p] = path.l3;
      scalar_found[path.l3] = true;
      scale_of_path[p] = path.coupling[0];
      to.scalar_row[path.l3] = to.degree_row[path.l3] + place;
      to.scalar_step[path.l3] = to.degree_paths[path.l3];
      continue;
    }
    radial_of_path[p] = nradial++;
    VectorPath vector;
    vector.n1 = 2 * path.l1 + 1;
    vector.n2 = 2 * path.l2 + 1;
    vector.n3 = 2 * path.l3 + 1;
    vector.sent_row = path.l1 * path.l1;
    vector.table_row = (radial_of_path[p] - (l_max + 1)) * (model.nodes.intervals + 5);
    vector.sum_row = to.degree_row[path.l3] + place;
    vector.step = to.degree_paths[path.l3];
    vector.first_term = (int) to.coupling_terms.size();
    for (int m1 = 0; m1 < vector.n1; m1++)
      for (int m2 = 0; m2 < vector.n2; m2++)
        for (int m3 = 0; m3 < vector.n3; m3++) {
          const double value = path.coupling[((size_t) m1 * vector.n2 + m2) * vector.n3 + m3];
          if (std::fabs(value) > 1e-14) to.coupling_terms.push_back({m1, m2, m3, value});
        }
    vector.nterms = (int) to.coupling_terms.size() - vector.first_term;
    to.most_couplings = std::max(to.most_couplings, vector.n1 * vector.n3);
    to.most_products = std::max(to.most_products, vector.n1 * vector.n2);
    to.vector_paths.push_back(vector);
  }
  for (int l = 0; l <= l_max; l++)
    if (!scalar_found[l])
      throw std::runtime_error("The native engine needs a path from scalars to every degree");
  to.vector_width = (nradial - (l_max + 1)) * to.sent_channels;

  // the perceptron's outputs in the order of the radial functions, coupling constants inside
  Layer ordered = layer;
  auto &last = ordered.perceptron.matrices.back();
  const size_t ncolumns = layer.paths.size() * (size_t) sent;
  const size_t nrows = last.size() / ncolumns;
  for (size_t row = 0; row < nrows; row++)
    for (size_t p = 0; p < layer.paths.size(); p++)
      for (int c = 0; c < sent; c++)
        last[row * ncolumns + (size_t) radial_of_path[p] * sent + c] = scale_of_path[p] *
            layer.perceptron.matrices.back()[row * ncolumns + p * sent + c];
  if (layer.perceptron.of_species()) {
    // of one matrix alone they are those of each pair of species
    const std::vector<double> &biases = layer.perceptron.biases.back();
    for (size_t at = 0; at < biases.size(); at += ncolumns)
      for (size_t p = 0; p < layer.paths.size(); p++)
        for (int c = 0; c < sent; c++)
          ordered.perceptron.biases.back()[at + (size_t) radial_of_path[p] * sent + c] =
              scale_of_path[p] * biases[at + p * sent + c];
  }
  to.has_density = !layer.density.matrices.empty();
  to.density_offset = layer.density_offset;
  to.density_slope = layer.density_slope;
  prepare_tables(mace, ordered, model, to);

  if (t == 0) {
    to.sent.resize((size_t) nspecies * to.sent_channels);
    for (int s = 0; s < nspecies; s++)
      for (int c = 0; c < sent; c++)
        to.sent[(size_t) s * to.sent_channels + c] = (T) layer.sent[(size_t) s * sent + c];
  } else {
    to.up.resize(layer.l_sent + 1);
    for (int l = 0; l <= layer.l_sent; l++) to.up[l].set(layer.up[l], 1, 1, C, sent);
  }
  to.linear_per_species = layer.linear_per_species;
  to.linear.resize(l_max + 1);
  for (int l = 0; l <= l_max; l++)
    to.linear[l].set(layer.linear[l], layer.linear_per_species ? nspecies : 1, to.degree_paths[l],
                     sent, C);
  to.gated = layer.gated;
  if (layer.gated) {
    const Gate &gate = layer.gate;
    to.silu_factor = gate.silu_factor;
    to.sigmoid_factor = gate.sigmoid_factor;
    const auto set = [&](std::vector<Matrix<T>> &matrices,
                         const std::vector<std::vector<double>> &from, int blocks, int in) {
      matrices.resize(from.size());
      for (size_t l = 0; l < from.size(); l++) matrices[l].set(from[l], 1, blocks, in, C);
    };
    set(to.gate_linear, gate.linear, to.degree_paths[0], sent);
    set(to.own, gate.own, 1, C);
    set(to.own_gates, gate.own_gates, 1, C);
    set(to.mix, gate.mix, 1, C);
    to.own_constant.resize(gate.own_constant.size() / C * padded(C));
    for (size_t k = 0; k < gate.own_constant.size(); k++)
      to.own_constant[k / C * padded(C) + k % C] = (T) gate.own_constant[k];
  }
  to.product.resize(layer.l_out + 1);
  to.contraction.resize(layer.l_out + 1);
  for (int l = 0; l <= layer.l_out; l++) {
    to.product[l].set(layer.product[l], 1, 1, C, C);
    to.contraction[l].resize(2 * l + 1);
    for (int m = 0; m < 2 * l + 1; m++)
      build_polynomial(to.contraction[l][m], layer.contraction[l], m, nspecies, C, lanes);
  }
  to.residual.resize(layer.residual.size());
  for (size_t l = 0; l < layer.residual.size(); l++)
    to.residual[l].set(layer.residual[l], nspecies, 1, C, C);
  if (!layer.residual_constant.empty()) {
    to.residual_constant.resize((size_t) nspecies * padded(C));
    for (int s = 0; s < nspecies; s++)
      for (int c = 0; c < C; c++)
        to.residual_constant[(size_t) s * padded(C) + c] =
            (T) layer.residual_constant[(size_t) s * C + c];
  }
  to.readout = layer.readout;
  to.readout_hidden = layer.readout_hidden;
  to.readout_mid = layer.readout_mid;
  to.readout_mid_bias = layer.readout_mid_bias;
  to.readout_out = layer.readout_out;
  to.readout_width = (int) layer.readout_out.size();
  // a scalar output's contraction gives its gradient in the same pass: keep that, not its input
  to.keep_gradient = layer.l_out == 0 && !to.has_density;
}

}    // namespace

template <class T>
PreparedMace<T> lamplighter::prepare(const std::string &path, const std::vector<Mace> &members,
                                     const std::vector<std::string> &elements, int lanes,
                                     int intervals)
{
  PreparedMace<T> model;
  model.channels = members[0].channels;
  model.l_max = members[0].l_max;
  model.nlayers = (int) members[0].layers.size();
  model.cutoff = members[0].basis.r_max;
  model.table_error = 0.0;
  model.repulsion = members[0].repulsion;
  const std::vector<int> wanted = choose_species(path, members[0].numbers, elements,
                                                 model.species_of_type);
  std::vector<Mace> used;
  for (const Mace &mace : members) used.push_back(with_species(mace, wanted));
  model.numbers = used[0].numbers;
  model.radii = used[0].covalent_radii;
  if (!intervals)
    for (const Mace &mace : used)
      intervals = std::max(intervals,
                           choose_intervals(mace, sizeof(T) == 4 ? TOLERANCE_FLOAT : TOLERANCE));

  model.nodes = radial_nodes(model.cutoff, intervals);

  model.members.resize(used.size());
  for (size_t k = 0; k < used.size(); k++) {
    PreparedMember<T> &member = model.members[k];
    member.scale = used[k].scale;
    member.energies = used[k].energies;
    for (double &energy : member.energies) energy += used[k].shift;
    member.layers.resize(model.nlayers);
    for (int t = 0; t < model.nlayers; t++)
      prepare_layer(used[k], t, lanes, model, member.layers[t]);
  }
  return model;
}

template PreparedMace<float> lamplighter::prepare(const std::string &, const std::vector<Mace> &,
                                                  const std::vector<std::string> &, int, int);
template PreparedMace<double> lamplighter::prepare(const std::string &, const std::vector<Mace> &,
                                                   const std::vector<std::string> &, int, int);
