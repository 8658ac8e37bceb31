// SPDX-License-Identifier: GPL-2.0-or-later

#include "layered_evaluator.h"

#include "activations.h"
#include "layered_prepared.h"
#include "neighbourhoods.h"
#include "screened_repulsion.h"
#include "tensor_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>

using namespace lamplighter;

namespace {

/* Groups of channels of a path that are convolved together: what is read of an edge serves all of
   them, and their tables stay in the second-level cache. */
constexpr int GROUPS_AT_ONCE = 4;

/* What an atom keeps between the passes of one member and layer. */
template <class T> struct Kept {
  Array<T> mixed;            // local: what the gate takes, in the form that its way back needs
  Array<T> features;         // local: node features before the layer (from the second layer on)
  Array<T> gradient;         // local: dE / d features
  Array<T> sent;             // all rows: what neighbours receive
  Array<T> sent_gradient;    // all rows
};

template <class T> struct Member : PreparedLayered<T> {
  explicit Member(PreparedLayered<T> &&model) :
      PreparedLayered<T>(std::move(model)), kept(this->layers.size())
  {
  }
  std::vector<Kept<T>> kept;    // [layer]
};

/* A force on atom i, which its neighbour j has in return; r goes from i to j. */
struct PairForce {
  int i, j;
  double r[3], f[3];
};

template <class T> class Evaluator : public NativeEvaluator {
 public:
  Evaluator(const Kernels<T> &, const char *simd, PreparedLayers<T>);
  double cutoff() const override { return cutoff_; }
  int members() const override { return (int) members_.size(); }
  int features() const override { return nfeatures_; }
  int readout_inputs() const override { return nreadout_inputs_; }
  std::string summary() const override;
  double memory() const override;
  Overlap compute(const Atoms &, Exchange &, Results *, int nmembers, int first) override;

 private:
  const char *simd_;
  const Kernels<T> &kernels_;
  const ConvolutionKernels<T> &convolution_;
  std::string family_;
  int l_max_, nlayers_, nspecies_;
  double cutoff_;
  RadialGrid grid_;
  double table_error_;
  bool rough_;       // it is above the tolerance
  int nfeatures_;    // scalars after all layers
  int nreadout_inputs_;
  std::vector<ScreenedRepulsion> repulsion_;    // [species of atom][of neighbour]; empty: none
  std::vector<Member<T>> members_;
  Neighbourhoods<T> near_;

  // of the blocks at hand, for all members: energies of the repulsion and its forces
  double repelled_[BLOCKS_AT_ONCE][ATOMS_AT_ONCE];
  std::vector<PairForce> repelling_[BLOCKS_AT_ONCE];

  // of the atoms and the member at hand, a row for every atom of the block
  Array<T> sums_, mixed_gradient_, output_, output_gradient_;
  size_t sums_step_, mixed_step_, output_step_;
  Array<T> products_;    // of one atom, path and groups of channels at once
  // rows of a linear layer
  std::vector<const T *> rows_in_;
  std::vector<T *> rows_out_;
  std::vector<std::vector<double>> hidden_, hidden_slope_;    // of a readout

  void reserve_atoms(Member<T> &, const Atoms &);
  void describe_edges(const PreparedInteraction<T> &, int t, const Atoms &, const AtomBlock &);
  void use_arrays(Member<T> &, int t, const AtomBlock &);
  template <class In, class Out>
  void multiply(const PreparedPart<T> &, bool transposed, const AtomBlock &, In in, Out out);
  template <class Do>
  void for_groups(const PreparedPath<T> &, const PreparedInteraction<T> &, Do) const;
  void convolve(const PreparedInteraction<T> &, const AtomBlock &);
  void convolve_backward(const PreparedInteraction<T> &, const AtomBlock &, bool sent_wanted);
  void open_gate(const PreparedInteraction<T> &, T *mixed, T *output);
  void gate_backward(const PreparedInteraction<T> &, const T *mixed, const T *output_gradient,
                     T *mixed_gradient);
  static size_t last_inputs(const Member<T> &);
  double read(const Member<T> &, int species, const T *features, T *gradient, double *inputs);
  void send(Member<T> &, int t, const AtomBlock &);
  void copy_scalars(const Member<T> &, int t, const T *output, double *to) const;
  void forward(Member<T> &, int t, const AtomBlock &, double *energies, const Results &);
  void backward(Member<T> &, int t, const AtomBlock &, Results &);
  void return_through(Member<T> &, int t, const AtomBlock &, Results &);
  void pass(Member<T> &, int t, const AtomBlock &, Results &);
  void repel(const AtomBlock &);
  // the last layer goes forward and back for one block at a time and keeps only that
  T *mixed(Member<T> &member, int t, const AtomBlock &block, int a) const
  {
    return member.kept[t].mixed.data() +
        (t == nlayers_ - 1 ? (size_t) a : (size_t) block.i[a]) * member.layers[t].kept_width;
  }
};

template <class T>
Evaluator<T>::Evaluator(const Kernels<T> &kernels, const char *simd, PreparedLayers<T> model) :
    simd_(simd), kernels_(kernels), convolution_(convolution_kernels<T>(simd)),
    family_(model.family), l_max_(model.l_max), nlayers_((int) model.members[0].layers.size()),
    nspecies_(model.nspecies), cutoff_(model.cutoff), grid_(model.grid),
    table_error_(model.table_error), rough_(model.rough),
    near_(kernels, model.cutoff, model.l_max, model.grid.nodes, model.species_of_type,
          model.cutoffs)
{
  for (PreparedLayered<T> &member : model.members) members_.emplace_back(std::move(member));
  for (int k = 0; k < nspecies_ * nspecies_ && !model.repulsion.empty(); k++)
    repulsion_.emplace_back(model.numbers[k / nspecies_], model.numbers[k % nspecies_],
                            model.repulsion[0], model.cutoffs.empty() ? cutoff_ : model.cutoffs[k],
                            model.repulsion[1]);
  nreadout_inputs_ = members_[0].readout_widths[last_inputs(members_[0])];
  sums_step_ = mixed_step_ = output_step_ = 0;
  nfeatures_ = 0;
  for (const auto &layer : members_[0].layers) {
    for (size_t b = 0; b < layer.out.l.size(); b++)
      if (layer.out.l[b] == 0) nfeatures_ += layer.out.channels[b];
    sums_step_ = std::max(sums_step_, (size_t) layer.sums.width);
    mixed_step_ = std::max(mixed_step_, (size_t) layer.mixed.width);
    output_step_ = std::max(output_step_, (size_t) layer.out.width);
  }
  sums_.resize(ATOMS_AT_ONCE * sums_step_);
  mixed_gradient_.resize(ATOMS_AT_ONCE * mixed_step_);
  for (Array<T> *array : {&output_, &output_gradient_}) array->resize(ATOMS_AT_ONCE * output_step_);
  products_.resize((size_t) GROUPS_AT_ONCE * 49 * GROUP);
}

template <class T> void Evaluator<T>::reserve_atoms(Member<T> &member, const Atoms &atoms)
{
  const size_t nlocal = (size_t) std::max(atoms.nlocal, 1);
  const size_t rows = (size_t) std::max(atoms.nfeatures, 1);
  for (int t = 0; t < nlayers_; t++) {
    const PreparedInteraction<T> &layer = member.layers[t];
    Kept<T> &kept = member.kept[t];
    kept.mixed.resize((t == nlayers_ - 1 ? (size_t) ATOMS_AT_ONCE : nlocal) * layer.kept_width);
    if (t == 0) continue;
    kept.features.resize(nlocal * layer.in.width);
    kept.gradient.resize(nlocal * layer.in.width);
    const size_t sent = rows * layer.sent.width;
    kept.sent.resize(sent);
    kept.sent_gradient.resize(sent);
    memset((void *) kept.sent_gradient.data(), 0, sizeof(T) * sent);
  }
}

/* Where the edges find their tables and features in layer t of any member. */

template <class T>
void Evaluator<T>::describe_edges(const PreparedInteraction<T> &layer, int t, const Atoms &atoms,
                                  const AtomBlock &block)
{
  for (int a = 0; a < block.count; a++) {
    AtomEdges<T> &near = near_.of(block, a);
    for (int e = 0; e < near.edges.count; e++) {
      near.table_at[e] = (long) grid_.row(near.interval[e]) * GROUP;
      near.sent_at[e] = (long) (t ? atoms.feature_row[near.neighbour[e]] : near.species[e]) *
          layer.sent.width;
    }
  }
}

/* The arrays of a member in which they find them. */

template <class T> void Evaluator<T>::use_arrays(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedInteraction<T> &layer = member.layers[t];
  for (int a = 0; a < block.count; a++) {
    Edges<T> &edges = near_.of(block, a).edges;
    edges.tables = layer.tables.data();
    edges.sent = t ? member.kept[t].sent.data() : layer.first_sent.data();
    edges.sent_gradient = t ? member.kept[t].sent_gradient.data() : nullptr;
  }
}

/* A part of a linear layer for all atoms of the block, added to what is there: in(a) and out(a) are
   the features of atom a. */

template <class T>
template <class In, class Out>
void Evaluator<T>::multiply(const PreparedPart<T> &part, bool transposed, const AtomBlock &block,
                            In in, Out out)
{
  const Matrix<T> &matrix = part.matrix;
  for (int s = 0; s < (matrix.per_species ? nspecies_ : 1); s++) {
    rows_in_.clear();
    rows_out_.clear();
    for (int a = 0; a < block.count; a++)
      for (int m = 0; m < 2 * part.l + 1; m++)
        if (!matrix.per_species || block.species[a] == s) {
          const size_t from = part.from_at + (size_t) m * part.from_step,
                       to = part.to_at + (size_t) m * part.to_step;
          rows_in_.push_back(in(a) + (transposed ? to : from));
          rows_out_.push_back(out(a) + (transposed ? from : to));
        }
    kernels_.linear((int) rows_in_.size(), transposed ? matrix.nout : matrix.nin,
                    transposed ? matrix.nin : matrix.nout, rows_in_.data(),
                    transposed ? matrix.transpose(s) : matrix.matrix(s), rows_out_.data(), true);
  }
}

/* Calls do_groups with the channels of a path, GROUPS_AT_ONCE of them, and which the first is. */

template <class T>
template <class Do>
void Evaluator<T>::for_groups(const PreparedPath<T> &path, const PreparedInteraction<T> &layer,
                              Do do_groups) const
{
  for (int first = 0; first < path.ngroups; first += GROUPS_AT_ONCE)
    do_groups(PathGroups{std::min(GROUPS_AT_ONCE, path.ngroups - first),
                         (long) (path.table + first * layer.table_group), (long) layer.table_group,
                         path.sent_at + first * GROUP, path.sent_step},
              first);
}

/* The sums over the neighbours of every atom, in sums_. */

template <class T>
void Evaluator<T>::convolve(const PreparedInteraction<T> &layer, const AtomBlock &block)
{
  for (const PreparedPath<T> &path : layer.paths)
    for_groups(path, layer, [&](const PathGroups &groups, int first) {
      for (int a = 0; a < block.count; a++) {
        const Edges<T> &edges = near_.of(block, a).edges;
        if (path.dot)
          convolution_.dot(edges, path.l2, groups, products_.data());
        else
          convolution_.sum(edges, path.l1, path.l2, groups, products_.data());
        for (int g = 0; g < groups.count; g++)
          convolution_.combine(path.forward.data(), (int) path.forward.size(), path.n3,
                               products_.data() + g * path.nproducts * GROUP, GROUP,
                               sums_.data() + a * sums_step_ + path.sum_at + (first + g) * GROUP,
                               path.sum_step);
      }
    });
}

/* Its adjoint: from the gradients in sums_ to those of edges and sent features. */

template <class T>
void Evaluator<T>::convolve_backward(const PreparedInteraction<T> &layer, const AtomBlock &block,
                                     bool sent_wanted)
{
  for (int a = 0; a < block.count; a++) {
    const Edges<T> &edges = near_.of(block, a).edges;
    memset((void *) edges.gradient, 0, sizeof(T) * 16 * padded(edges.count));
  }
  for (const PreparedPath<T> &path : layer.paths)
    for_groups(path, layer, [&](const PathGroups &groups, int first) {
      for (int a = 0; a < block.count; a++) {
        for (int g = 0; g < groups.count; g++)
          convolution_.combine(path.backward.data(), (int) path.backward.size(), path.nproducts,
                               sums_.data() + a * sums_step_ + path.sum_at + (first + g) * GROUP,
                               path.sum_step, products_.data() + g * path.nproducts * GROUP, GROUP);
        Edges<T> &edges = near_.of(block, a).edges;
        if (path.dot)
          convolution_.dot_backward(edges, path.l2, groups, products_.data(), sent_wanted);
        else
          convolution_.sum_backward(edges, path.l1, path.l2, groups, products_.data(), sent_wanted);
      }
    });
}

/* The output of a gate. Leaves slopes in place of the scalars that were activated, and the gates'
   values behind them, for the way back. */

template <class T>
void Evaluator<T>::open_gate(const PreparedInteraction<T> &layer, T *mixed, T *output)
{
  memset((void *) output, 0, sizeof(T) * layer.out.width);
  for (const PreparedGate &gate : layer.gate) {
    T *out = output + gate.out_at;
    if (gate.gate_at < 0) {
      activate(gate.activation, gate.factor, gate.channels, mixed + gate.source_at, out);
      continue;
    }
    T *value = mixed + gate.value_at;
    activate(gate.activation, gate.factor, gate.channels, mixed + gate.gate_at, value);
    for (int m = 0; m < 2 * gate.l + 1; m++) {
      const T *source = mixed + gate.source_at + m * gate.source_step;
      for (int c = 0; c < gate.channels; c++) out[m * gate.out_step + c] = value[c] * source[c];
    }
  }
}

template <class T>
void Evaluator<T>::gate_backward(const PreparedInteraction<T> &layer, const T *mixed,
                                 const T *output_gradient, T *mixed_gradient)
{
  memset((void *) mixed_gradient, 0, sizeof(T) * layer.mixed.width);
  for (const PreparedGate &gate : layer.gate) {
    const T *out = output_gradient + gate.out_at;
    if (gate.gate_at < 0) {
      for (int c = 0; c < gate.channels; c++)
        mixed_gradient[gate.source_at + c] += mixed[gate.source_at + c] * out[c];
      continue;
    }
    const T *value = mixed + gate.value_at, *slope = mixed + gate.gate_at;
    for (int m = 0; m < 2 * gate.l + 1; m++) {
      const int at = gate.source_at + m * gate.source_step;
      const T *g = out + m * gate.out_step;
      for (int c = 0; c < gate.channels; c++) {
        mixed_gradient[gate.gate_at + c] += slope[c] * mixed[at + c] * g[c];
        mixed_gradient[at + c] += value[c] * g[c];
      }
    }
  }
}

/* Before which matrix of the readout the numbers stand that the energy is linear in: without an
   activation these are the scalars themselves. */

template <class T> size_t Evaluator<T>::last_inputs(const Member<T> &member)
{
  return member.readout_activation == Activation::NONE ? 0 : member.readout.size() - 1;
}

/* The readout's energy, eV, and its gradient, which replaces what was there; `inputs`, if not null,
   of its last linear layer. */

template <class T>
double Evaluator<T>::read(const Member<T> &member, int species, const T *features, T *gradient,
                          double *inputs)
{
  const auto &matrices = member.readout;
  const size_t n = matrices.size();
  hidden_.resize(n + 1);
  hidden_slope_.resize(n + 1);
  hidden_[0].clear();
  for (const int at : member.readout_at) hidden_[0].push_back(features[at]);
  for (size_t k = 0; k < n; k++) {
    const size_t nin = hidden_[k].size(), nout = matrices[k].size() / nin;
    hidden_[k + 1].assign(nout, 0.0);
    for (size_t a = 0; a < nin; a++)
      for (size_t b = 0; b < nout; b++)
        hidden_[k + 1][b] += matrices[k][a * nout + b] * hidden_[k][a];
    if (k + 1 == n) continue;
    hidden_slope_[k + 1] = hidden_[k + 1];
    activate(member.readout_activation, 1.0, (int) nout, hidden_slope_[k + 1].data(),
             hidden_[k + 1].data());
  }
  const std::vector<double> &seen = hidden_[last_inputs(member)];
  if (inputs) std::copy(seen.begin(), seen.end(), inputs);
  const double energy = hidden_[n][0];
  hidden_[n][0] = member.scale[species];
  for (size_t k = n; k-- > 0;) {
    const size_t nin = hidden_[k].size(), nout = hidden_[k + 1].size();
    for (size_t a = 0; a < nin; a++) {
      double sum = 0.0;
      for (size_t b = 0; b < nout; b++) sum += matrices[k][a * nout + b] * hidden_[k + 1][b];
      hidden_[k][a] = k ? sum * hidden_slope_[k][a] : sum;
    }
  }
  memset((void *) gradient, 0, sizeof(T) * member.layers.back().out.width);
  for (size_t k = 0; k < member.readout_at.size(); k++)
    gradient[member.readout_at[k]] = (T) hidden_[0][k];
  return member.scale[species] * energy + member.shift[species];
}

/* What the block's atoms send to their neighbours in layer t. */

template <class T> void Evaluator<T>::send(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedInteraction<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const auto sent = [&](int a) {
    return kept.sent.data() + (size_t) block.i[a] * layer.sent.width;
  };
  const auto features = [&](int a) {
    return kept.features.data() + (size_t) block.i[a] * layer.in.width;
  };
  for (int a = 0; a < block.count; a++)
    if (layer.sent_constant.size())
      memcpy((void *) sent(a), layer.sent_constant.data(), sizeof(T) * layer.sent.width);
    else
      memset((void *) sent(a), 0, sizeof(T) * layer.sent.width);
  for (const PreparedPart<T> &part : layer.send) multiply(part, false, block, features, sent);
}

/* The scalars that layer t gives, behind those of the layers before it. */

template <class T>
void Evaluator<T>::copy_scalars(const Member<T> &member, int t, const T *output, double *to) const
{
  for (int k = 0; k <= t; k++) {
    const BlockLayout &out = member.layers[k].out;
    for (size_t b = 0; b < out.l.size(); b++) {
      if (out.l[b]) continue;
      if (k == t) std::copy_n(output + out.at[b], out.channels[b], to);
      to += out.channels[b];
    }
  }
}

/* Layer t of the block. Leaves what the way back needs in kept, and adds the atoms' energies after
   the last layer, with the gradients of its outputs in output_gradient_. */

template <class T>
void Evaluator<T>::forward(Member<T> &member, int t, const AtomBlock &block, double *energies,
                           const Results &results)
{
  const PreparedInteraction<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  use_arrays(member, t, block);
  convolve(layer, block);
  const auto to = [&](int a) { return mixed(member, t, block, a); };
  for (int a = 0; a < block.count; a++)
    memcpy((void *) to(a), layer.constant.data() + (size_t) block.species[a] * layer.mixed.width,
           sizeof(T) * layer.mixed.width);
  for (const PreparedPart<T> &part : layer.mix)
    multiply(part, false, block, [&](int a) { return sums_.data() + a * sums_step_; }, to);
  for (const PreparedPart<T> &part : layer.own)
    multiply(
        part, false, block,
        [&](int a) { return kept.features.data() + (size_t) block.i[a] * layer.in.width; }, to);
  const bool last = t == nlayers_ - 1;
  for (int a = 0; a < block.count; a++) {
    T *output = last ? output_.data() + a * output_step_
                     : member.kept[t + 1].features.data() + (size_t) block.i[a] * layer.out.width;
    open_gate(layer, to(a), output);
    if (results.features)
      copy_scalars(member, t, output, results.features + (size_t) block.i[a] * nfeatures_);
    if (!last) continue;
    double *const inputs = results.readout_inputs;
    energies[a] += read(member, block.species[a], output,
                        output_gradient_.data() + a * output_step_,
                        inputs ? inputs + (size_t) block.i[a] * nreadout_inputs_ : nullptr);
  }
  if (!last) send(member, t + 1, block);
}

/* The way back through layer t for the block, whose edges are described, from the gradients of its
   outputs in output_gradient_. */

template <class T>
void Evaluator<T>::backward(Member<T> &member, int t, const AtomBlock &block, Results &results)
{
  const PreparedInteraction<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const auto gradient = [&](int a) { return mixed_gradient_.data() + a * mixed_step_; };
  for (int a = 0; a < block.count; a++)
    gate_backward(layer, mixed(member, t, block, a), output_gradient_.data() + a * output_step_,
                  gradient(a));
  memset((void *) sums_.data(), 0, sizeof(T) * block.count * sums_step_);
  for (const PreparedPart<T> &part : layer.mix)
    multiply(part, true, block, gradient, [&](int a) { return sums_.data() + a * sums_step_; });
  if (t > 0) {
    const auto features = [&](int a) {
      return kept.gradient.data() + (size_t) block.i[a] * layer.in.width;
    };
    for (int a = 0; a < block.count; a++)
      memset((void *) features(a), 0, sizeof(T) * layer.in.width);
    for (const PreparedPart<T> &part : layer.own) multiply(part, true, block, gradient, features);
  }
  convolve_backward(layer, block, t > 0);
  for (int a = 0; a < block.count; a++) {
    kernels_.forces(near_.of(block, a).edges, l_max_);
    near_.add_forces(block, a, results);
  }
}

/* The way back through a layer that is not the last. */

template <class T>
void Evaluator<T>::return_through(Member<T> &member, int t, const AtomBlock &block,
                                  Results &results)
{
  const PreparedInteraction<T> &next = member.layers[t + 1];
  Kept<T> &kept = member.kept[t + 1];
  const auto gradient = [&](int a) {
    return kept.gradient.data() + (size_t) block.i[a] * next.in.width;
  };
  for (const PreparedPart<T> &part : next.send)
    multiply(
        part, true, block,
        [&](int a) { return kept.sent_gradient.data() + (size_t) block.i[a] * next.sent.width; },
        gradient);
  for (int a = 0; a < block.count; a++)
    memcpy((void *) (output_gradient_.data() + a * output_step_), gradient(a),
           sizeof(T) * next.in.width);
  use_arrays(member, t, block);
  backward(member, t, block, results);
}

/* The repulsion of nuclei that the block's atoms have their halves of. */

template <class T> void Evaluator<T>::repel(const AtomBlock &block)
{
  std::vector<PairForce> &repelling = repelling_[block.slot];
  repelling.clear();
  for (int a = 0; a < block.count; a++) {
    const AtomEdges<T> &near = near_.of(block, a);
    const Edges<T> &edges = near.edges;
    const ScreenedRepulsion *with = &repulsion_[(size_t) block.species[a] * nspecies_];
    double &repelled = repelled_[block.slot][a] = 0.0;
    for (int e = 0; e < edges.count; e++) {
      const double s = near.stretch.empty() ? 1.0 : near.stretch[e];
      const double x = edges.dx[e] / s, y = edges.dy[e] / s, z = edges.dz[e] / s;
      const double r = std::sqrt(x * x + y * y + z * z);
      double slope;
      repelled += with[near.species[e]].energy(r, slope);
      slope /= r;
      repelling.push_back(
          {block.i[a], near.neighbour[e], {x, y, z}, {slope * x, slope * y, slope * z}});
    }
  }
}

/* Layer t of one member: forward, and where it is the last, back too. */

template <class T>
void Evaluator<T>::pass(Member<T> &member, int t, const AtomBlock &block, Results &results)
{
  double energies[ATOMS_AT_ONCE] = {};
  forward(member, t, block, energies, results);
  if (t < nlayers_ - 1) return;
  for (int a = 0; a < block.count; a++) {
    if (!repulsion_.empty()) energies[a] += repelled_[block.slot][a];
    results.energy += energies[a];
    if (results.eatoms) results.eatoms[block.i[a]] += energies[a];
  }
  for (const PairForce &pair : repelling_[block.slot])
    add_pair_force((size_t) pair.i, (size_t) pair.j, pair.r, pair.f, results);
  backward(member, t, block, results);
}

/* Members share the list, the pairs within the cutoff, and all that depends on their geometry. */

template <class T>
Overlap Evaluator<T>::compute(const Atoms &atoms, Exchange &exchange, Results *results,
                              int nmembers, int first)
{
  near_.begin();
  for (int k = 0; k < nmembers; k++) reserve_atoms(members_[first + k], atoms);
  const int at_once = nmembers > 1 ? BLOCKS_AT_ONCE : 1;

  for (int t = 0; t < nlayers_; t++) {
    const bool last = t == nlayers_ - 1;
    for (int begin = 0; begin < atoms.nlist; begin += at_once * ATOMS_AT_ONCE) {
      const auto &blocks = near_.take_blocks(atoms, begin, at_once, t == 0);
      for (const AtomBlock &block : blocks) {
        describe_edges(members_[first].layers[t], t, atoms, block);
        if (last && !repulsion_.empty()) repel(block);
      }
      for (int k = 0; k < nmembers; k++)
        for (const AtomBlock &block : blocks) pass(members_[first + k], t, block, results[k]);
    }
    if (!last)
      for (int k = 0; k < nmembers; k++)
        exchange.forward(members_[first + k].kept[t + 1].sent.data(),
                         members_[first + k].layers[t + 1].sent.width, sizeof(T));
  }

  for (int t = nlayers_ - 2; t >= 0; t--) {
    for (int k = 0; k < nmembers; k++)
      exchange.reverse(members_[first + k].kept[t + 1].sent_gradient.data(),
                       members_[first + k].layers[t + 1].sent.width, sizeof(T));
    for (int begin = 0; begin < atoms.nlist; begin += at_once * ATOMS_AT_ONCE) {
      const auto &blocks = near_.take_blocks(atoms, begin, at_once, false);
      for (const AtomBlock &block : blocks)
        describe_edges(members_[first].layers[t], t, atoms, block);
      for (int k = 0; k < nmembers; k++)
        for (const AtomBlock &block : blocks)
          return_through(members_[first + k], t, block, results[k]);
    }
  }
  return near_.overlap();
}

template <class T> std::string Evaluator<T>::summary() const
{
  char error[32];
  snprintf(error, sizeof(error), "%.1e", table_error_);
  int channels = 0;
  for (const int c : members_[0].layers.back().sent.channels) channels += c;
  return "native " + family_ + ", " +
      (members_.size() > 1 ? std::to_string(members_.size()) + " members, " : std::string()) +
      (sizeof(T) == 4 ? "float32, " : "float64, ") + simd_ + ", " + std::to_string(nlayers_) +
      " layers, " + std::to_string(channels) + " channels, radial tables of " +
      std::to_string(grid_.nodes.intervals) + " intervals (error " + error +
      " of the largest value" + (rough_ ? ", WARNING: above the tolerance)" : ")");
}

template <class T> double Evaluator<T>::memory() const
{
  size_t numbers = sums_.size() + mixed_gradient_.size() + output_.size() + output_gradient_.size();
  for (const Member<T> &member : members_) {
    for (const Kept<T> &kept : member.kept)
      numbers += kept.mixed.size() + kept.features.size() + kept.gradient.size() +
          kept.sent.size() + kept.sent_gradient.size();
    for (const auto &layer : member.layers) numbers += layer.tables.size();
  }
  return (double) numbers * sizeof(T) + (double) near_.memory();
}

template <class T>
std::unique_ptr<NativeEvaluator> open_as(const std::string &path,
                                         const std::vector<LayeredModel> &members,
                                         const std::vector<std::string> &elements, int intervals)
{
  const char *simd = "";
  const Kernels<T> &kernels = best_kernels<T>(&simd);
  return std::make_unique<Evaluator<T>>(kernels, simd,
                                        prepare_layered<T>(path, members, elements, intervals));
}

}    // namespace

std::unique_ptr<NativeEvaluator> lamplighter::open_layered(const TensorFile &file,
                                                           const TensorFile &training_set,
                                                           const std::vector<std::string> &elements,
                                                           const std::string &dtype, int intervals)
{
  const std::vector<LayeredModel> members = read_layered(file);
  const LayeredModel &first = members[0];
  auto opened = dtype == "float32" || (dtype == "auto" && first.single_precision)
      ? open_as<float>(file.path(), members, elements, intervals)
      : open_as<double>(file.path(), members, elements, intervals);
  opened->know_training_set(file, training_set, elements);
  return opened;
}
