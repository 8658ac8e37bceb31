// SPDX-License-Identifier: GPL-2.0-or-later

#include "mace_parameters.h"

#include "tensor_file.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace lamplighter;

namespace {

constexpr int LARGEST_L = 3;
constexpr int MOST_LAYERS = 8;
constexpr int MOST_CHANNELS = 4096;

std::string at(const std::string &prefix, const char *name, int index)
{
  return prefix + name + "." + std::to_string(index);
}

void read_contraction(const TensorFile &file, const std::string &prefix, int l, int nspecies,
                      int channels, int nlm, Contraction &contraction)
{
  for (int order = 1; order <= 3; order++) {
    contraction.nweights[order - 1] = 0;
    const std::string name = prefix + "order." + std::to_string(order) + ".";
    if (!file.has(name + "weights")) continue;
    const auto shape = file.shape(name + "weights");
    contraction.weights[order - 1] = file.doubles(name + "weights", {nspecies, -1, channels});
    contraction.nweights[order - 1] = (int) shape[1];
    const auto values = file.doubles(name + "values", {-1});
    const int64_t nterms = (int64_t) values.size();
    const auto indices = file.integers(name + "indices", {nterms, order + 2});
    for (int64_t n = 0; n < nterms; n++) {
      const int64_t *row = &indices[n * (order + 2)];
      ContractionTerm term{(int) row[0], order, {0, 0, 0}, (int) row[order + 1], values[n]};
      bool fits = row[0] >= 0 && row[0] <= 2 * l && row[order + 1] >= 0 &&
          row[order + 1] < contraction.nweights[order - 1];
      for (int k = 0; k < order; k++) {
        term.lm[k] = (int) row[1 + k];
        fits = fits && row[1 + k] >= 0 && row[1 + k] < nlm;
      }
      if (!fits)
        throw std::runtime_error("Model file " + file.path() + ": '" + name +
                                 "indices' holds an index that is out of range");
      contraction.terms.push_back(term);
    }
  }
}

Perceptron read_perceptron(const TensorFile &file, const std::string &prefix, const char *name,
                           int nbasis, int nspecies)
{
  Perceptron network;
  int64_t width = nbasis;
  network.widths.push_back(nbasis);
  const std::string bias = std::string(name) + "_bias", norm = std::string(name) + "_norm";
  for (int k = 0; file.has(at(prefix, name, k)) && k < 16; k++) {
    network.matrices.push_back(file.doubles(at(prefix, name, k), {width, -1}));
    width = file.shape(at(prefix, name, k))[1];
    network.widths.push_back((int) width);
    if (!file.has(at(prefix, bias.c_str(), 0))) continue;
    network.biases.push_back(
        k ? file.doubles(at(prefix, bias.c_str(), k), {width})
          : file.doubles(at(prefix, bias.c_str(), k), {nspecies, nspecies, width}));
    if (file.has(at(prefix, name, k + 1)))
      network.norms.push_back(file.doubles(at(prefix, norm.c_str(), k), {2, width}));
  }
  return network;
}

Gate read_gate(const TensorFile &file, const std::string &prefix, int t, const Layer &layer,
               const Mace &mace, int64_t scalar_width)
{
  Gate gate;
  const int C = mace.channels;
  const auto factors = file.doubles(prefix + "gate.factors", {2});
  gate.silu_factor = factors[0];
  gate.sigmoid_factor = factors[1];
  for (int l = 1; l <= mace.l_max; l++)
    gate.linear.push_back(file.doubles(at(prefix, "gate.linear", l), {scalar_width, C}));
  for (int l = 0; l <= mace.l_max; l++)
    gate.mix.push_back(file.doubles(at(prefix, "gate.mix", l), {C, C}));
  if (t == 0) {
    gate.own_constant = file.doubles(prefix + "gate.own_constant",
                                     {(int64_t) mace.numbers.size(), mace.l_max + 1, C});
    return gate;
  }
  for (int l = 0; l <= std::min(layer.l_in, mace.l_max); l++)
    gate.own.push_back(file.doubles(at(prefix, "gate.own", l), {C, C}));
  for (int l = 1; l <= mace.l_max; l++)
    gate.own_gates.push_back(file.doubles(at(prefix, "gate.own_gates", l), {C, C}));
  return gate;
}

Layer read_layer(const TensorFile &file, const std::string &prefix, int t, bool last,
                 const Mace &mace, int nbasis)
{
  Layer layer;
  const int C = mace.channels;
  const int nspecies = (int) mace.numbers.size();
  const int nlm = (mace.l_max + 1) * (mace.l_max + 1);
  const int C_sent = (int) file.integer(prefix + "edge_channels", 1, MOST_CHANNELS);
  layer.edge_channels = C_sent;
  layer.l_sent = (int) file.integer(prefix + "l_sent", 0, 2);
  layer.l_in = (int) file.integer(prefix + "l_in", 0, 2);
  layer.l_out = (int) file.integer(prefix + "l_out", 0, 2);
  if (layer.l_sent > layer.l_in || (t == 0 && layer.l_in) || (last && layer.l_out))
    throw std::runtime_error("Model file " + file.path() + ": the degrees of layer " +
                             std::to_string(t) + " do not fit together");

  const auto paths = file.integers(prefix + "paths", {-1, 3});
  const auto couplings = file.doubles(prefix + "couplings", {-1});
  size_t used = 0;
  std::vector<int> paths_to(mace.l_max + 1, 0);
  for (size_t p = 0; 3 * p < paths.size(); p++) {
    const int64_t l1 = paths[3 * p], l2 = paths[3 * p + 1], l3 = paths[3 * p + 2];
    if (l1 < 0 || l1 > layer.l_sent || l2 < 0 || l2 > mace.l_max || l3 < 0 || l3 > mace.l_max)
      throw std::runtime_error("Model file " + file.path() + ": path " + std::to_string(p) +
                               " of layer " + std::to_string(t) + " is out of range");
    const size_t count = (size_t) ((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1));
    if (used + count > couplings.size())
      throw std::runtime_error("Model file " + file.path() + ": couplings are missing");
    layer.paths.push_back(
        {(int) l1,
         (int) l2,
         (int) l3,
         {couplings.begin() + (ptrdiff_t) used, couplings.begin() + (ptrdiff_t) (used + count)}});
    used += count;
    paths_to[l3]++;
  }
  const int64_t npaths = (int64_t) layer.paths.size();
  if (!npaths) throw std::runtime_error("Model file " + file.path() + ": a layer has no paths");

  layer.perceptron = read_perceptron(file, prefix, "perceptron", nbasis, nspecies);
  const int64_t width = layer.perceptron.widths.back();
  if (layer.perceptron.matrices.empty() || width != npaths * C_sent)
    throw std::runtime_error("Model file " + file.path() + ": the radial perceptron of layer " +
                             std::to_string(t) + " has " + std::to_string(width) + " outputs for " +
                             std::to_string(npaths * C_sent) + " weights");
  layer.density_offset = layer.density_slope = 1.0;
  if (file.has(prefix + "density")) {
    layer.density.matrices.push_back(file.doubles(prefix + "density", {nbasis}));
    layer.density.widths = {nbasis, 1};
  } else if (file.has(prefix + "density_factors")) {
    const auto factors = file.doubles(prefix + "density_factors", {2});
    layer.density_offset = factors[0];
    layer.density_slope = factors[1];
    layer.density = read_perceptron(file, prefix, "density_perceptron", nbasis, nspecies);
    if (layer.density.matrices.empty() || layer.density.widths.back() != 1)
      throw std::runtime_error("Model file " + file.path() + ": the density of layer " +
                               std::to_string(t) + " is not one number");
  }

  if (t == 0)
    layer.sent = file.doubles(prefix + "sent", {nspecies, C_sent});
  else
    for (int l = 0; l <= layer.l_sent; l++)
      layer.up.push_back(file.doubles(at(prefix, "up", l), {C, C_sent}));

  const int64_t nlinear = file.shape(prefix + "linear.0").at(0);
  if (nlinear != 1 && nlinear != nspecies)
    throw std::runtime_error("Model file " + file.path() + ": 'linear' has matrices of " +
                             std::to_string(nlinear) + " species");
  layer.linear_per_species = nlinear > 1 || nspecies == 1;
  for (int l = 0; l <= mace.l_max; l++)
    layer.linear.push_back(
        file.doubles(at(prefix, "linear", l), {nlinear, (int64_t) paths_to[l] * C_sent, C}));

  layer.gated = file.has(prefix + "gate.factors");
  if (layer.gated && layer.density.matrices.empty())
    throw std::runtime_error("Model file " + file.path() + ": the gates of layer " +
                             std::to_string(t) + " lack a density");
  if (layer.gated)
    layer.gate = read_gate(file, prefix, t, layer, mace, (int64_t) paths_to[0] * C_sent);

  for (int l = 0; l <= layer.l_out; l++) {
    layer.contraction.emplace_back();
    read_contraction(file, at(prefix, "contraction", l) + ".", l, nspecies, C, nlm,
                     layer.contraction.back());
    layer.product.push_back(file.doubles(at(prefix, "product", l), {C, C}));
  }
  if (t == 0 && file.has(prefix + "residual_constant"))
    layer.residual_constant = file.doubles(prefix + "residual_constant", {nspecies, C});
  if (t > 0)
    for (int l = 0; l <= std::min(layer.l_out, layer.l_in) && file.has(at(prefix, "residual", l));
         l++)
      layer.residual.push_back(file.doubles(at(prefix, "residual", l), {nspecies, C, C}));

  if (file.has(prefix + "readout")) layer.readout = file.doubles(prefix + "readout", {C});
  if (file.has(prefix + "readout_hidden")) {
    layer.readout_hidden = file.doubles(prefix + "readout_hidden", {C, -1});
    const int64_t hidden = file.shape(prefix + "readout_hidden")[1];
    layer.readout_out = file.doubles(prefix + "readout_out", {hidden});
    if (file.has(prefix + "readout_mid")) {
      layer.readout_mid = file.doubles(prefix + "readout_mid", {hidden, hidden});
      layer.readout_mid_bias = file.doubles(prefix + "readout_mid_bias", {hidden});
    }
  }
  return layer;
}

Mace read_member(const TensorFile &file, const std::string &prefix)
{
  Mace mace;
  mace.single_precision = file.text("dtype") == "float32";
  for (const int64_t z : file.integers("atomic_numbers", {-1})) {
    if (z < 1 || z > 118)
      throw std::runtime_error("Model file " + file.path() + ": atomic number " +
                               std::to_string(z));
    mace.numbers.push_back((int) z);
  }
  const int64_t nspecies = (int64_t) mace.numbers.size();
  if (!nspecies) throw std::runtime_error("Model file " + file.path() + ": it has no elements");
  mace.channels = (int) file.integer("channels", 1, MOST_CHANNELS);
  mace.l_max = (int) file.integer("l_max", 0, LARGEST_L);

  RadialBasis &basis = mace.basis;
  basis.kind = (RadialBasis::Kind) file.integer("basis.kind", 0, 1);
  basis.parameters = file.doubles(prefix + "basis.parameters", {-1});
  basis.prefactor = file.number("basis.prefactor");
  basis.r_max = file.number("r_max");
  if (!(basis.r_max > 0.5 && basis.r_max < 100.0))
    throw std::runtime_error("Model file " + file.path() + ": the cutoff is not a length");
  basis.cutoff_power = (int) file.integer("basis.cutoff_power", 2, 64);
  basis.cutoff_after_perceptron = file.integer("basis.cutoff_after_perceptron", 0, 1) != 0;
  basis.transform = (RadialBasis::Transform) file.integer("basis.transform", 0, 2);
  if (basis.transform != RadialBasis::NONE)
    basis.transform_parameters = file.doubles(prefix + "basis.transform_parameters",
                                              {basis.transform == RadialBasis::AGNESI ? 3 : 1});
  mace.covalent_radii = file.doubles("covalent_radii", {nspecies});
  if (file.has("repulsion")) mace.repulsion = file.doubles("repulsion", {7});

  mace.energies = file.doubles(prefix + "energies", {nspecies});
  mace.scale = file.number(prefix + "scale");
  mace.shift = file.number(prefix + "shift");
  const int nlayers = (int) file.integer("layers", 1, MOST_LAYERS);
  for (int t = 0; t < nlayers; t++)
    mace.layers.push_back(read_layer(file, prefix + "layer." + std::to_string(t) + ".", t,
                                     t == nlayers - 1, mace, (int) basis.parameters.size()));
  for (int t = 1; t < nlayers; t++)
    if (mace.layers[t].l_in != mace.layers[t - 1].l_out)
      throw std::runtime_error("Model file " + file.path() + ": layer " + std::to_string(t) +
                               " does not take what the layer before it gives");
  return mace;
}

}    // namespace

std::vector<Mace> lamplighter::read_mace(const TensorFile &file)
{
  const std::string &path = file.path();
  if (file.text("format") != "lamplighter-mace")
    throw std::runtime_error("Model file " + path + ": holds '" + file.text("format") +
                             "', not a MACE model");
  const std::string version = file.text("version");
  if (version != "1" && version != "2" && version != "3")
    throw std::runtime_error("Model file " + path + ": has version " + version +
                             " of the format, and this Lamplighter reads 1 to 3: make it again "
                             "with 'lamplighter compile'");
  std::vector<Mace> members;
  const int nmembers = (int) file.integer("members", 1, 64);
  for (int k = 0; k < nmembers; k++)
    members.push_back(read_member(file, "member." + std::to_string(k) + "."));
  const auto same_path = [](const Path &p, const Path &q) {
    return p.l1 == q.l1 && p.l2 == q.l2 && p.l3 == q.l3;
  };
  for (int k = 1; k < nmembers; k++)
    for (size_t t = 0; t < members[0].layers.size(); t++) {
      const Layer &a = members[0].layers[t], &b = members[k].layers[t];
      if (a.edge_channels != b.edge_channels || a.l_sent != b.l_sent || a.l_out != b.l_out ||
          !std::equal(a.paths.begin(), a.paths.end(), b.paths.begin(), b.paths.end(), same_path) ||
          a.gated != b.gated || a.perceptron.of_species() != b.perceptron.of_species() ||
          a.density.matrices.size() != b.density.matrices.size())
        throw std::runtime_error("Model file " + path + ": its members differ in architecture");
    }
  return members;
}
