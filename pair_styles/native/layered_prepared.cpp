// SPDX-License-Identifier: GPL-2.0-or-later

#include "layered_prepared.h"

#include "species.h"

#include <algorithm>
#include <cmath>

using namespace lamplighter;

void BlockLayout::add(int degree, int nchannels, int padded_channels)
{
  l.push_back(degree);
  channels.push_back(nchannels);
  at.push_back(width);
  step.push_back(padded_channels);
  width += (2 * degree + 1) * padded_channels;
}

namespace {

constexpr double TOLERANCE = 2e-9, TOLERANCE_FLOAT = 1e-6;    // of the radial tables, relative
constexpr int MOST_INTERVALS = 2048;
constexpr double CLOSEST_OF_INTEREST = 0.6;    // Angstrom; bonds to hydrogen compress to 0.7

BlockLayout layout_of(const std::vector<FeatureBlock> &blocks)
{
  BlockLayout layout;
  for (const FeatureBlock &block : blocks)
    layout.add(block.l, block.channels, padded(block.channels));
  return layout;
}

/* The model without the species that no type is of. */
LayeredModel with_species(const LayeredModel &model, const std::vector<int> &wanted)
{
  const auto select = [&](const std::vector<double> &from) {
    std::vector<double> to;
    const size_t size = from.size() / model.numbers.size();
    for (const int s : wanted)
      to.insert(to.end(), from.begin() + (ptrdiff_t) (s * size),
                from.begin() + (ptrdiff_t) ((s + 1) * size));
    return to;
  };
  LayeredModel used = model;
  used.numbers.clear();
  for (const int s : wanted) used.numbers.push_back(model.numbers[s]);
  for (auto *values : {&used.embedding, &used.scale, &used.shift}) *values = select(*values);
  if (!model.radial.cutoffs.empty()) {
    used.radial.cutoffs.clear();
    for (const int s : wanted)
      for (const int n : wanted)
        used.radial.cutoffs.push_back(model.radial.cutoffs[s * model.numbers.size() + n]);
  }
  for (InteractionLayer &layer : used.layers)
    for (LinearMap *map : {&layer.send, &layer.mix, &layer.own})
      if (map->per_species)
        for (LinearPart &part : map->parts) part.matrix = select(part.matrix);
  return used;
}

/* A matrix whose rows are spread over the padded ones, and its transpose. */
template <class T>
void set_rows(Matrix<T> &to, const std::vector<double> &values, int nspecies,
              const std::vector<int> &rows, int nin, int nout, int nout_padded)
{
  to.nin = nin;
  to.nout = nout_padded;
  to.size = (size_t) nin * nout_padded;
  to.per_species = nspecies > 1;
  to.forward.resize(to.size * nspecies);
  to.backward.resize(to.size * nspecies);
  for (int s = 0; s < nspecies; s++)
    for (size_t k = 0; k < rows.size(); k++)
      for (int n = 0; n < nout; n++) {
        const T value = (T) values[(s * rows.size() + k) * nout + n];
        to.forward[s * to.size + (size_t) rows[k] * nout_padded + n] = value;
        to.backward[s * to.size + (size_t) n * nin + rows[k]] = value;
      }
}

/* `rows` of an input block: where its channels lie in the padded row. */
template <class T, class Rows>
void prepare_map(const LinearMap &map, const BlockLayout &in, const BlockLayout &out, int nspecies,
                 Rows rows, std::vector<PreparedPart<T>> &to)
{
  for (const LinearPart &part : map.parts) {
    to.emplace_back();
    PreparedPart<T> &made = to.back();
    made.l = in.l[part.from];
    made.from_at = in.at[part.from];
    made.from_step = in.step[part.from];
    made.to_at = out.at[part.to];
    made.to_step = out.step[part.to];
    set_rows(made.matrix, part.matrix, map.per_species ? nspecies : 1, rows(part.from),
             in.step[part.from], out.channels[part.to], out.step[part.to]);
  }
}

std::vector<int> counting(int n)
{
  std::vector<int> numbers(n);
  for (int k = 0; k < n; k++) numbers[k] = k;
  return numbers;
}

/* What a linear map makes of scalars of one species, which lie one block after the other, added to
   `to` in the layout of its output. */
template <class T>
void add_of_scalars(const LinearMap &map, const std::vector<FeatureBlock> &in,
                    const BlockLayout &out, const double *scalars, int species, T *to)
{
  std::vector<int> first;
  int at = 0;
  for (const FeatureBlock &block : in) {
    first.push_back(at);
    at += block.channels;
  }
  for (const LinearPart &part : map.parts) {
    const int nin = in[part.from].channels, nout = out.channels[part.to];
    const double *matrix = part.matrix.data() +
        (map.per_species ? (size_t) species * nin * nout : 0);
    for (int n = 0; n < nout; n++) {
      double sum = 0.0;
      for (int k = 0; k < nin; k++) sum += scalars[first[part.from] + k] * matrix[k * nout + n];
      to[out.at[part.to] + n] += (T) sum;
    }
  }
}

template <class T> void add_bias(const LinearMap &map, const BlockLayout &out, T *to)
{
  for (size_t b = 0; b < map.bias.size(); b++)
    for (size_t c = 0; c < map.bias[b].size(); c++) to[out.at[b] + c] += (T) map.bias[b][c];
}

bool has_bias(const LinearMap &map)
{
  for (const auto &bias : map.bias)
    if (!bias.empty()) return true;
  return false;
}

/* Whether a path gives one number, the scalar product of both sides times a constant. */
bool is_scalar_product(const std::vector<CouplingConstant> &coupling, int n3, int ncomponents)
{
  if (n3 != 1 || (int) coupling.size() != ncomponents) return false;
  std::vector<bool> met(ncomponents, false);
  for (const CouplingConstant &term : coupling) {
    if (term.m1 != term.m2 || met[term.m1]) return false;
    if (std::fabs(term.value - coupling[0].value) > 1e-14 * std::fabs(coupling[0].value))
      return false;
    met[term.m1] = true;
  }
  return true;
}

/* Paths with their couplings; the rows of each block of sums that its channels take. */
template <class T>
std::vector<std::vector<int>> prepare_paths(const InteractionLayer &layer, const RadialGrid &grid,
                                            PreparedInteraction<T> &to)
{
  std::vector<int> width(layer.sums.size(), 0);
  std::vector<std::vector<int>> rows(layer.sums.size());
  std::vector<int> first;    // of each path in its block
  for (const ConvolutionPath &path : layer.paths) {
    first.push_back(width[path.to]);
    for (int c = 0; c < layer.sent[path.from].channels; c++)
      rows[path.to].push_back(width[path.to] + c);
    width[path.to] += padded(layer.sent[path.from].channels);
  }
  for (size_t b = 0; b < layer.sums.size(); b++)
    to.sums.add(layer.sums[b].l, layer.sums[b].channels, width[b]);

  to.table_group = (size_t) grid.rows() * GROUP;
  size_t ngroups = 0;
  for (size_t p = 0; p < layer.paths.size(); p++) {
    const ConvolutionPath &path = layer.paths[p];
    to.paths.emplace_back();
    PreparedPath<T> &made = to.paths.back();
    made.l1 = layer.sent[path.from].l;
    made.l2 = path.l2;
    made.n3 = 2 * layer.sums[path.to].l + 1;
    made.ngroups = to.sent.step[path.from] / GROUP;
    made.sent_at = to.sent.at[path.from];
    made.sent_step = to.sent.step[path.from];
    made.sum_at = to.sums.at[path.to] + first[p];
    made.sum_step = to.sums.step[path.to];
    made.table = ngroups * to.table_group;
    ngroups += made.ngroups;
    made.dot = is_scalar_product(path.coupling, made.n3, 2 * made.l1 + 1);
    made.nproducts = made.dot ? 1 : (2 * made.l1 + 1) * (2 * path.l2 + 1);
    if (made.dot) {
      made.forward = made.backward = {{0, 0, path.coupling[0].value}};
      continue;
    }
    for (const CouplingConstant &term : path.coupling) {
      const int product = term.m1 * (2 * path.l2 + 1) + term.m2;
      made.forward.push_back({product, term.m3, term.value});
      made.backward.push_back({term.m3, product, term.value});
    }
    for (auto *terms : {&made.forward, &made.backward})
      std::stable_sort(terms->begin(), terms->end(),
                       [](const SparseTerm &a, const SparseTerm &b) { return a.to < b.to; });
  }
  to.tables.resize(ngroups * to.table_group);
  return rows;
}

/* Calls `take` with the first functions, matrix column and channels of each path. */
template <class Take>
void for_paths(const InteractionLayer &layer, const HiddenFunctions &functions, Take take)
{
  int column = 0;
  for (size_t p = 0; p < layer.paths.size(); p++) {
    const int channels = layer.sent[layer.paths[p].from].channels;
    take(p, functions.first(layer.paths[p].l2), column, channels);
    column += channels;
  }
}

/* Weights of one path from a row of hidden functions. */
void weights_from(const InteractionLayer &layer, const double *hidden, int nhidden, int column,
                  int channels, std::vector<double> &out)
{
  const std::vector<double> &matrix = layer.perceptron.back();
  const size_t columns = (size_t) layer.perceptron_widths.back();
  out.assign(channels, 0.0);
  for (int k = 0; k < nhidden; k++) {
    const double *weights = &matrix[k * columns + column];
    for (int c = 0; c < channels; c++) out[c] += hidden[k] * weights[c];
  }
}

/* The weights of all paths as splines. */
template <class T>
void prepare_tables(const HiddenFunctions &functions, const InteractionLayer &layer,
                    const RadialGrid &grid, PreparedInteraction<T> &to)
{
  const std::vector<double> splines = tabulate(functions, grid);
  std::vector<double> sum;
  for_paths(layer, functions, [&](size_t p, int first, int column, int channels) {
    for (int row = 0; row < grid.rows(); row++) {
      weights_from(layer, &splines[(size_t) row * functions.width() + first], functions.hidden(),
                   column, channels, sum);
      for (int c = 0; c < channels; c++)
        to.tables[to.paths[p].table + (c / GROUP) * to.table_group + (size_t) row * GROUP +
                  c % GROUP] = (T) sum[c];
    }
  });
}

/* The largest error of the weights that splines give, and of their slopes, relative to the largest
   value and slope. */
double error_of_tables(const LayeredModel &model, const InteractionLayer &layer,
                       const RadialGrid &grid)
{
  const HiddenFunctions functions(model.radial, layer, model.l_max);
  const TableCheck check(functions, grid, tabulate(functions, grid),
                         std::min(CLOSEST_OF_INTEREST, model.radial.r_max / 2));
  const size_t width = (size_t) functions.width();
  double error[2] = {}, largest[2] = {1e-300, 1e-300};
  std::vector<double> sum, lacking;
  for_paths(layer, functions, [&](size_t, int first, int column, int channels) {
    for (size_t row = 0; row * width < check.value.size(); row++) {
      weights_from(layer, &check.value[row * width + first], functions.hidden(), column, channels,
                   sum);
      weights_from(layer, &check.difference[row * width + first], functions.hidden(), column,
                   channels, lacking);
      for (int c = 0; c < channels; c++) {
        error[row % 2] = std::max(error[row % 2], std::fabs(lacking[c]));
        largest[row % 2] = std::max(largest[row % 2], std::fabs(sum[c]));
      }
    }
  });
  return std::max(error[0] / largest[0], error[1] / largest[1]);
}

double error_of_tables(const LayeredModel &model, const RadialGrid &grid)
{
  double worst = 0.0;
  for (const InteractionLayer &layer : model.layers)
    worst = std::max(worst, error_of_tables(model, layer, grid));
  return worst;
}

template <class T>
void prepare_interaction(const LayeredModel &model, int t, PreparedLayers<T> &all,
                         PreparedInteraction<T> &to)
{
  const InteractionLayer &layer = model.layers[t];
  const int nspecies = all.nspecies;
  to.in = layout_of(layer.in);
  to.sent = layout_of(layer.sent);
  to.mixed = layout_of(layer.mixed);
  to.out = layout_of(layer.out);
  const auto rows = prepare_paths(layer, all.grid, to);
  prepare_tables(HiddenFunctions(model.radial, layer, model.l_max), layer, all.grid, to);

  prepare_map(layer.mix, to.sums, to.mixed, nspecies, [&](int b) { return rows[b]; }, to.mix);
  to.constant.resize((size_t) nspecies * to.mixed.width);
  const size_t nscalars = model.embedding.size() / nspecies;
  for (int s = 0; s < nspecies; s++) {
    T *constant = to.constant.data() + (size_t) s * to.mixed.width;
    add_bias(layer.mix, to.mixed, constant);
    add_bias(layer.own, to.mixed, constant);
    if (t == 0)
      add_of_scalars(layer.own, layer.in, to.mixed, &model.embedding[s * nscalars], s, constant);
  }
  if (t == 0) {
    to.first_sent.resize((size_t) nspecies * to.sent.width);
    for (int s = 0; s < nspecies; s++) {
      T *sent = to.first_sent.data() + (size_t) s * to.sent.width;
      add_bias(layer.send, to.sent, sent);
      add_of_scalars(layer.send, layer.in, to.sent, &model.embedding[s * nscalars], s, sent);
    }
  } else {
    const auto in_rows = [&](int b) { return counting(layer.in[b].channels); };
    prepare_map(layer.own, to.in, to.mixed, nspecies, in_rows, to.own);
    prepare_map(layer.send, to.in, to.sent, nspecies, in_rows, to.send);
    if (has_bias(layer.send)) {
      to.sent_constant.resize(to.sent.width);
      add_bias(layer.send, to.sent, to.sent_constant.data());
    }
  }
  to.kept_width = to.mixed.width;
  for (size_t b = 0; b < layer.gate.size(); b++) {
    const GateRow &row = layer.gate[b];
    to.gate.push_back({to.mixed.l[row.source], to.mixed.channels[row.source],
                       to.mixed.at[row.source], to.mixed.step[row.source],
                       row.gate < 0 ? -1 : to.mixed.at[row.gate], to.out.at[b], to.out.step[b],
                       to.kept_width, row.activation, row.factor});
    if (row.gate >= 0) to.kept_width += to.out.step[b];
  }
}

/* As many intervals as the least smooth radial function of a model needs: 96, 128, 192 and so
   on. The error of slopes falls with the fifth power of the spacing, which says where to go on. */
int choose_intervals(const LayeredModel &model, double tolerance)
{
  const auto next = [](int n) { return n & (n - 1) ? n / 3 * 4 : n / 2 * 3; };
  int n = 96;
  while (n < MOST_INTERVALS) {
    const double error = error_of_tables(model, RadialGrid(model.radial, n));
    if (error < tolerance) return n;
    const double wanted = 0.8 * n * std::pow(error / tolerance, 0.2);
    do n = next(n);
    while (n < wanted && n < MOST_INTERVALS);
  }
  return MOST_INTERVALS;
}

}    // namespace

template <class T>
PreparedLayers<T> lamplighter::prepare_layered(const std::string &path,
                                               const std::vector<LayeredModel> &members,
                                               const std::vector<std::string> &elements,
                                               int intervals)
{
  std::vector<int> species_of_type;
  const std::vector<int> wanted = choose_species(path, members[0].numbers, elements,
                                                 species_of_type);
  std::vector<LayeredModel> used;
  for (const LayeredModel &model : members) used.push_back(with_species(model, wanted));
  const bool chosen = !intervals;
  const double tolerance = sizeof(T) == 4 ? TOLERANCE_FLOAT : TOLERANCE;
  if (chosen)
    for (const LayeredModel &model : used)
      intervals = std::max(intervals, choose_intervals(model, tolerance));

  PreparedLayers<T> all{used[0].family,
                        used[0].l_max,
                        (int) wanted.size(),
                        used[0].radial.r_max,
                        RadialGrid(used[0].radial, intervals),
                        0.0,
                        false,
                        species_of_type,
                        used[0].radial.cutoffs,
                        used[0].repulsion,
                        used[0].numbers,
                        {}};
  all.members.resize(used.size());
  for (size_t k = 0; k < used.size(); k++) {
    PreparedLayered<T> &member = all.members[k];
    member.scale = used[k].scale;
    member.shift = used[k].shift;
    member.readout = used[k].readout;
    member.readout_widths = used[k].readout_widths;
    member.readout_activation = used[k].readout_activation;
    member.layers.resize(used[k].layers.size());
    all.table_error = std::max(all.table_error, error_of_tables(used[k], all.grid));
    for (size_t t = 0; t < used[k].layers.size(); t++)
      prepare_interaction(used[k], (int) t, all, member.layers[t]);
    const BlockLayout &out = member.layers.back().out;
    for (size_t b = 0; b < out.l.size(); b++)
      for (int c = 0; c < out.channels[b]; c++) member.readout_at.push_back(out.at[b] + c);
  }
  all.rough = chosen && all.table_error >= tolerance;
  return all;
}

template PreparedLayers<float> lamplighter::prepare_layered(const std::string &,
                                                            const std::vector<LayeredModel> &,
                                                            const std::vector<std::string> &, int);
template PreparedLayers<double> lamplighter::prepare_layered(const std::string &,
                                                             const std::vector<LayeredModel> &,
                                                             const std::vector<std::string> &, int);
