// SPDX-License-Identifier: GPL-2.0-or-later

#include "layered_parameters.h"

#include "tensor_file.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace lamplighter;

namespace {

constexpr int LARGEST_L = 3;
constexpr int MOST_LAYERS = 16;
constexpr int MOST_CHANNELS = 4096;
constexpr int MOST_BLOCKS = 64;
constexpr int MOST_MATRICES = 16;        // of a perceptron
constexpr int WIDEST_LAYER = 1 << 20;    // outputs of a perceptron's matrix

/* Reads the arrays of one member, under a prefix that grows layer by layer. */
class Reader {
 public:
  Reader(const TensorFile &file, const std::string &prefix) : file_(file), prefix_(prefix) {}

  Reader under(const std::string &name) const { return Reader(file_, prefix_ + name + "."); }
  [[noreturn]] void fail(const std::string &reason) const
  {
    throw std::runtime_error("Model file " + file_.path() + ": '" + prefix_ + "' " + reason);
  }
  bool has(const std::string &name) const { return file_.has(prefix_ + name); }
  std::vector<double> doubles(const std::string &name, const std::vector<int64_t> &shape) const
  {
    return file_.doubles(prefix_ + name, shape);
  }
  std::vector<int64_t> integers(const std::string &name, const std::vector<int64_t> &shape) const
  {
    return file_.integers(prefix_ + name, shape);
  }
  int64_t integer(const std::string &name, int64_t lowest, int64_t highest) const
  {
    return file_.integer(prefix_ + name, lowest, highest);
  }
  double number(const std::string &name) const { return file_.number(prefix_ + name); }
  std::vector<int64_t> shape(const std::string &name) const { return file_.shape(prefix_ + name); }

  /* An index that must be below `end`. */
  int below(int64_t value, int64_t lowest, size_t end, const char *what) const
  {
    if (value < lowest || value >= (int64_t) end)
      fail(std::string("has ") + what + " out of range");
    return (int) value;
  }

 private:
  const TensorFile &file_;
  std::string prefix_;
};

std::vector<FeatureBlock> read_blocks(const Reader &from, const std::string &name)
{
  std::vector<FeatureBlock> blocks;
  const auto rows = from.integers(name, {-1, 2});
  for (size_t k = 0; k < rows.size(); k += 2)
    blocks.push_back({from.below(rows[k], 0, LARGEST_L + 1, "a degree"),
                      from.below(rows[k + 1], 1, MOST_CHANNELS + 1, "a number of channels")});
  if (blocks.empty() || blocks.size() > MOST_BLOCKS)
    from.fail("has no features, or too many blocks");
  return blocks;
}

LinearMap read_map(const Reader &from, const std::vector<FeatureBlock> &in,
                   const std::vector<FeatureBlock> &out, int64_t nspecies)
{
  LinearMap map;
  map.per_species = false;
  const auto pairs = from.integers("pairs", {-1, 2});
  for (size_t k = 0; k < pairs.size() / 2; k++) {
    LinearPart part;
    part.from = from.below(pairs[2 * k], 0, in.size(), "an input");
    part.to = from.below(pairs[2 * k + 1], 0, out.size(), "an output");
    if (in[part.from].l != out[part.to].l) from.fail("maps between different degrees");
    const std::string name = std::to_string(k);
    const auto shape = from.shape(name);
    const int64_t count = shape.empty() ? 0 : shape[0];
    if (count != 1 && count != nspecies) from.fail("has matrices for other species");
    if (k && map.per_species != (count > 1)) from.fail("mixes matrices of species and of all");
    map.per_species = count > 1;
    part.matrix = from.doubles(name, {count, in[part.from].channels, out[part.to].channels});
    map.parts.push_back(part);
  }
  for (size_t b = 0; b < out.size(); b++) {
    const std::string name = "bias." + std::to_string(b);
    map.bias.emplace_back();
    if (!from.has(name)) continue;
    if (out[b].l) from.fail("has a bias that is no scalar");
    map.bias.back() = from.doubles(name, {out[b].channels});
  }
  return map;
}

void read_paths(const Reader &from, int l_max, InteractionLayer &layer)
{
  const auto degrees = from.integers("sums", {-1});
  for (const int64_t l : degrees)
    layer.sums.push_back({from.below(l, 0, LARGEST_L + 1, "a degree"), 0});
  const auto rows = from.integers("paths", {-1, 3});
  for (size_t p = 0; p < rows.size(); p += 3) {
    ConvolutionPath path;
    path.from = from.below(rows[p], 0, layer.sent.size(), "a path");
    path.l2 = from.below(rows[p + 1], 0, (size_t) l_max + 1, "a path");
    path.to = from.below(rows[p + 2], 0, layer.sums.size(), "a path");
    layer.sums[path.to].channels += layer.sent[path.from].channels;
    layer.paths.push_back(path);
  }
  for (const FeatureBlock &block : layer.sums)
    if (!block.channels) from.fail("has sums that no path leads to");
  const auto values = from.doubles("couplings", {-1});
  const auto places = from.integers("coupling_places", {(int64_t) values.size(), 4});
  for (size_t k = 0; k < values.size(); k++) {
    const int64_t *at = &places[4 * k];
    ConvolutionPath &path = layer.paths[from.below(at[0], 0, layer.paths.size(), "a coupling")];
    const auto component = [&](int64_t m, int l) {
      return from.below(m, 0, (size_t) (2 * l + 1), "a coupling");
    };
    path.coupling.push_back({component(at[1], layer.sent[path.from].l), component(at[2], path.l2),
                             component(at[3], layer.sums[path.to].l), values[k]});
  }
}

/* Matrices one after the other; the number of inputs and all widths. */
std::vector<std::vector<double>> read_perceptron(const Reader &from, const std::string &name,
                                                 int64_t nin, std::vector<int> &widths)
{
  std::vector<std::vector<double>> matrices;
  const auto checked = [&](int64_t width) {
    return from.below(width, 1, (size_t) WIDEST_LAYER + 1, "a width of a perceptron");
  };
  widths.push_back(checked(nin));
  for (int k = 0; k < MOST_MATRICES && from.has(name + "." + std::to_string(k)); k++) {
    const std::string key = name + "." + std::to_string(k);
    matrices.push_back(from.doubles(key, {widths.back(), -1}));
    widths.push_back(checked(from.shape(key)[1]));
  }
  if (matrices.empty()) from.fail("has no perceptron");
  return matrices;
}

Activation read_activation(const Reader &from, const std::string &name)
{
  return (Activation) from.integer(name, 0, (int64_t) Activation::SIGMOID);
}

void read_gate(const Reader &from, InteractionLayer &layer)
{
  const auto rows = from.integers("gate", {-1, 3});
  if (rows.size() / 3 > (size_t) MOST_BLOCKS) from.fail("has too many rows of its gate");
  const auto factors = from.doubles("gate_factors", {(int64_t) rows.size() / 3});
  // a gate leaves slopes where its scalars were, so that no second row may read them
  std::vector<bool> used(layer.mixed.size(), false);
  const auto use = [&](int block) {
    if (used[block]) from.fail("has a gate that uses features twice");
    used[block] = true;
  };
  for (size_t k = 0; k < factors.size(); k++) {
    GateRow row;
    row.source = from.below(rows[3 * k], 0, layer.mixed.size(), "a gate");
    row.gate = from.below(rows[3 * k + 1], -1, layer.mixed.size(), "a gate");
    row.activation = (Activation) from.below(rows[3 * k + 2], 0, (size_t) Activation::SIGMOID + 1,
                                             "a gate");
    row.factor = factors[k];
    const FeatureBlock &source = layer.mixed[row.source];
    const FeatureBlock &scalars = layer.mixed[row.gate < 0 ? row.source : row.gate];
    if (scalars.l || scalars.channels != source.channels)
      from.fail("has a gate that does not fit what it multiplies");
    use(row.source);
    if (row.gate >= 0) use(row.gate);
    layer.gate.push_back(row);
    layer.out.push_back(source);
  }
  if (layer.out.empty()) from.fail("has no output");
}

bool same(const std::vector<FeatureBlock> &a, const std::vector<FeatureBlock> &b)
{
  if (a.size() != b.size()) return false;
  for (size_t k = 0; k < a.size(); k++)
    if (a[k].l != b[k].l || a[k].channels != b[k].channels) return false;
  return true;
}

/* Members share the places of features, sums and tables, and the arrays that they are in. */
bool alike(const InteractionLayer &a, const InteractionLayer &b)
{
  const auto path = [](const ConvolutionPath &p, const ConvolutionPath &q) {
    return p.from == q.from && p.l2 == q.l2 && p.to == q.to;
  };
  const auto row = [](const GateRow &p, const GateRow &q) {
    return p.source == q.source && p.gate == q.gate && p.activation == q.activation;
  };
  return same(a.in, b.in) && same(a.sent, b.sent) && same(a.sums, b.sums) &&
      same(a.mixed, b.mixed) && same(a.out, b.out) &&
      std::equal(a.paths.begin(), a.paths.end(), b.paths.begin(), b.paths.end(), path) &&
      std::equal(a.gate.begin(), a.gate.end(), b.gate.begin(), b.gate.end(), row);
}

InteractionLayer read_layer(const Reader &from, const LayeredModel &model)
{
  const int64_t nspecies = (int64_t) model.numbers.size();
  InteractionLayer layer;
  layer.in = read_blocks(from, "in");
  layer.sent = read_blocks(from, "sent");
  layer.mixed = read_blocks(from, "mixed");
  layer.send = read_map(from.under("send"), layer.in, layer.sent, nspecies);
  read_paths(from, model.l_max, layer);
  layer.mix = read_map(from.under("mix"), layer.sums, layer.mixed, nspecies);
  layer.own = read_map(from.under("own"), layer.in, layer.mixed, nspecies);
  int64_t nweights = 0;
  for (const ConvolutionPath &path : layer.paths) nweights += layer.sent[path.from].channels;
  layer.perceptron = read_perceptron(from, "perceptron", (int64_t) model.radial.frequencies.size(),
                                     layer.perceptron_widths);
  if (layer.perceptron_widths.back() != nweights)
    from.fail("has a radial perceptron of " + std::to_string(layer.perceptron_widths.back()) +
              " outputs for " + std::to_string(nweights) + " weights");
  read_gate(from, layer);
  return layer;
}

LayeredModel read_member(const TensorFile &file, const std::string &prefix)
{
  const Reader shared(file, ""), own(file, prefix);
  LayeredModel model;
  model.family = file.text("family");
  model.single_precision = file.text("dtype") == "float32";
  for (const int64_t z : shared.integers("atomic_numbers", {-1}))
    model.numbers.push_back(shared.below(z, 1, 119, "an atomic number"));
  const int64_t nspecies = (int64_t) model.numbers.size();
  if (!nspecies) shared.fail("has no elements");
  model.l_max = (int) shared.integer("l_max", 0, LARGEST_L);

  LayeredRadial &radial = model.radial;
  radial.frequencies = own.doubles("basis.frequencies", {-1});
  radial.prefactor = shared.number("basis.prefactor");
  radial.r_max = shared.number("r_max");
  if (!(radial.r_max > 0.5 && radial.r_max < 100.0)) shared.fail("has a cutoff that is no length");
  radial.cutoff = (LayeredRadial::Cutoff) shared.integer("basis.cutoff", 0, 1);
  radial.cutoff_parameter = shared.number("basis.cutoff_parameter");
  if (radial.cutoff == LayeredRadial::XPLOR
          ? !(radial.cutoff_parameter > 0.2 && radial.cutoff_parameter < radial.r_max - 0.01)
          : !(radial.cutoff_parameter >= 2.0 && radial.cutoff_parameter <= 64.0))
    shared.fail("has a cutoff function that is none");
  radial.activation = (Activation) shared.integer("basis.activation", (int) Activation::SILU,
                                                  (int) Activation::SOFTPLUS);
  radial.solid = own.integer("basis.solid", 0, 1) != 0;
  if (shared.has("basis.cutoffs")) {
    radial.cutoffs = shared.doubles("basis.cutoffs", {nspecies, nspecies});
    for (const double cutoff : radial.cutoffs)
      if (!(cutoff > 0.5 && cutoff <= radial.r_max))
        shared.fail("has a cutoff of a pair that is no length up to r_max");
    if (radial.solid) shared.fail("has cutoffs of pairs with solid harmonics");
  }

  const int nlayers = (int) shared.integer("layers", 1, MOST_LAYERS);
  for (int t = 0; t < nlayers; t++) {
    model.layers.push_back(read_layer(own.under("layer." + std::to_string(t)), model));
    if (t && !same(model.layers[t].in, model.layers[t - 1].out))
      own.fail("has a layer " + std::to_string(t) +
               " that does not take what the one before gives");
  }
  int64_t channels = 0;
  for (const FeatureBlock &block : model.layers[0].in) {
    if (block.l) own.fail("has a first layer that takes more than scalars");
    channels += block.channels;
  }
  model.embedding = own.doubles("embedding", {nspecies, channels});
  int64_t scalars = 0;
  for (const FeatureBlock &block : model.layers.back().out) {
    if (block.l) own.fail("has a last layer that gives more than scalars");
    scalars += block.channels;
  }
  model.readout = read_perceptron(own, "readout", scalars, model.readout_widths);
  if (model.readout_widths.back() != 1) own.fail("has a readout that is no energy");
  model.readout_activation = read_activation(shared, "readout_activation");
  if (shared.has("repulsion")) {
    model.repulsion = shared.doubles("repulsion", {2});
    if (!(model.repulsion[1] >= 2.0 && model.repulsion[1] <= 64.0))
      shared.fail("has a repulsion with a cutoff function that is none");
  }
  model.scale = own.doubles("scale", {nspecies});
  model.shift = own.doubles("shift", {nspecies});
  return model;
}

}    // namespace

std::vector<LayeredModel> lamplighter::read_layered(const TensorFile &file)
{
  const std::string &path = file.path();
  if (file.text("version") != "1")
    throw std::runtime_error("Model file " + path + ": has version " + file.text("version") +
                             " of the format, and this Lamplighter reads version 1: make it again "
                             "with 'lamplighter compile'");
  std::vector<LayeredModel> members;
  const int nmembers = (int) file.integer("members", 1, 64);
  for (int k = 0; k < nmembers; k++)
    members.push_back(read_member(file, "member." + std::to_string(k) + "."));
  for (int k = 1; k < nmembers; k++) {
    const auto &first = members[0].layers, &other = members[k].layers;
    if (!std::equal(first.begin(), first.end(), other.begin(), other.end(), alike))
      throw std::runtime_error("Model file " + path + ": its members differ in architecture");
  }
  return members;
}
