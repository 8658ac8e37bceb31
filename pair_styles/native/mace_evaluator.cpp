// SPDX-License-Identifier: GPL-2.0-or-later

#include "mace_evaluator.h"

#include "activations.h"
#include "kernels.h"
#include "mace_prepared.h"
#include "neighbourhoods.h"
#include "radial_table.h"
#include "tensor_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

using namespace lamplighter;

namespace {

/* What an atom keeps between the passes of one member and layer. */
template <class T> struct Kept {
  Array<T> sums;             // local: the contraction's input, or its gradient
  Array<T> density;          // local: 1 / (offset + slope * density)
  Array<T> ungated;          // local: what goes into a gate, and the share of the neighbours in it
  Array<T> features;         // local: node features before the layer (from the second layer on)
  Array<T> gradient;         // local: dE / d features
  Array<T> sent;             // all rows: what neighbours receive
  Array<T> sent_gradient;    // all rows
};

template <class T> struct Member : PreparedMember<T> {
  explicit Member(PreparedMember<T> &&model) :
      PreparedMember<T>(std::move(model)), kept(this->layers.size())
  {
  }
  std::vector<Kept<T>> kept;    // [layer]
};

template <class T> class Evaluator : public NativeEvaluator {
 public:
  Evaluator(const Kernels<T> &, const char *simd, PreparedMace<T>);
  double cutoff() const override { return cutoff_; }
  int members() const override { return (int) members_.size(); }
  int features() const override { return nlayers_ * channels_; }
  int readout_inputs() const override { return readout_inputs_; }
  std::string summary() const override;
  double memory() const override;
  Overlap compute(const Atoms &, Exchange &, Results *, int nmembers, int first) override;

 private:
  const char *simd_;
  const Kernels<T> &kernels_;
  int channels_, C_, l_max_, nlm_, nvectors_, nlayers_;
  double cutoff_;
  double table_error_;
  Nodes nodes_;    // of all radial tables
  std::vector<int> species_of_type_;
  std::vector<int> numbers_;
  std::vector<double> radii_, repulsion_;
  std::vector<Member<T>> members_;
  Neighbourhoods<T> near_;
  // numbers in Results::readout_inputs, and where those of each layer begin
  int readout_inputs_;
  std::vector<int> readout_inputs_at_;

  // of the atoms and the member at hand, a row for every atom of the block
  int raw_size_;
  Array<T> raw_, raw_gradient_, message_, message_gradient_, product_, product_gradient_, output_,
      output_gradient_, gated_, ungated_gradient_;
  // of one atom and one path from vectors
  Array<T> coupling_, products_;
  std::vector<double> hidden_, active_, second_;    // of a readout
  // rows of a linear layer
  std::vector<const T *> rows_in_;
  std::vector<T *> rows_out_;

  void reserve_atoms(Member<T> &, const Atoms &);
  void describe_edges(const PreparedLayer<T> &, int t, const Atoms &, const AtomBlock &);
  void use_arrays(Member<T> &, int t, const AtomBlock &);
  template <class In, class Out>
  void multiply(const Matrix<T> &, bool transposed, const AtomBlock &, int l, In in, Out out,
                bool add);
  void sum_edges(const PreparedLayer<T> &, const AtomBlock &);
  void sum_edges_backward(const PreparedLayer<T> &, const AtomBlock &, bool sent_wanted);
  double density(const PreparedLayer<T> &, int species, const AtomEdges<T> &);
  void density_backward(const PreparedLayer<T> &, int species, AtomEdges<T> &, double seed);
  // rows of what goes into a gate: the harmonics', then a gate for each degree from 1 on
  int ungated_rows() const { return nlm_ + l_max_; }
  T *ungated(Member<T> &member, int t, const AtomBlock &block, int a) const
  {
    return member.kept[t].ungated.data() +
        (t == nlayers_ - 1 ? (size_t) a : (size_t) block.i[a]) * 2 * ungated_rows() * C_;
  }
  void pass_gate(Member<T> &, int t, const AtomBlock &);
  void pass_gate_backward(Member<T> &, int t, const AtomBlock &, double *density_gradient);
  void contract(Member<T> &, int t, const AtomBlock &);
  void contract_backward(Member<T> &, int t, const AtomBlock &);
  void forward(Member<T> &, int t, const AtomBlock &, bool last, double *energies, const Results &);
  void backward(Member<T> &, int t, const AtomBlock &, Results &);
  // the last layer goes forward and back for one block at a time and keeps only that
  T *sums(Member<T> &member, int t, const AtomBlock &block, int a) const
  {
    return member.kept[t].sums.data() +
        (t == nlayers_ - 1 ? (size_t) a : (size_t) block.i[a]) * nlm_ * C_;
  }
  void return_through(Member<T> &, int t, const AtomBlock &, Results &);
  void pass(Member<T> &, int t, const Atoms &, const AtomBlock &, Results &);
  void send(Member<T> &, int t, const AtomBlock &);
  void collect(Member<T> &, int t, const AtomBlock &);
  double read(const Member<T> &, const PreparedLayer<T> &, const T *features, T *gradient,
              double *inputs);
  double read_second(double scale, const PreparedLayer<T> &);
  double repulsion(const Member<T> &, const Atoms &, int i, const AtomEdges<T> &, Results &);
};

template <class T>
Evaluator<T>::Evaluator(const Kernels<T> &kernels, const char *simd, PreparedMace<T> model) :
    simd_(simd), kernels_(kernels), channels_(model.channels), C_(padded(model.channels)),
    l_max_(model.l_max), nlm_((model.l_max + 1) * (model.l_max + 1)),
    nvectors_(padded(model.channels) / kernels.lanes), nlayers_(model.nlayers),
    cutoff_(model.cutoff), table_error_(model.table_error), nodes_(model.nodes),
    species_of_type_(model.species_of_type), numbers_(model.numbers), radii_(model.radii),
    repulsion_(model.repulsion),
    near_(kernels, model.cutoff, model.l_max, model.nodes, model.species_of_type)
{
  for (PreparedMember<T> &member : model.members) members_.emplace_back(std::move(member));

  readout_inputs_ = 0;
  for (const auto &layer : members_[0].layers) {
    readout_inputs_at_.push_back(readout_inputs_);
    readout_inputs_ += (layer.readout.empty() ? 0 : channels_) + layer.readout_width;
  }

  raw_size_ = 0;
  int out_rows = 0;
  for (const auto &layer : members_[0].layers) {
    products_.resize((size_t) layer.most_products * layer.sent_channels);
    raw_size_ = std::max(raw_size_, layer.sum_rows * layer.sent_channels);
    out_rows = std::max(out_rows, layer.out_rows);
  }
  for (Array<T> *array : {&raw_, &raw_gradient_}) array->resize((size_t) ATOMS_AT_ONCE * raw_size_);
  for (Array<T> *array : {&message_, &message_gradient_})
    array->resize((size_t) ATOMS_AT_ONCE * nlm_ * C_);
  for (const auto &layer : members_[0].layers)
    if (layer.gated) {
      gated_.resize((size_t) ATOMS_AT_ONCE * nlm_ * C_);
      ungated_gradient_.resize((size_t) ATOMS_AT_ONCE * ungated_rows() * C_);
    }
  for (Array<T> *array : {&product_, &product_gradient_, &output_, &output_gradient_})
    array->resize((size_t) ATOMS_AT_ONCE * out_rows * C_);
}

/* Where the edges find their tables and features in layer t of any member. */

template <class T>
void Evaluator<T>::describe_edges(const PreparedLayer<T> &layer, int t, const Atoms &atoms,
                                  const AtomBlock &block)
{
  const size_t row = (size_t) layer.sent_rows * layer.sent_channels;
  for (int a = 0; a < block.count; a++) {
    AtomEdges<T> &near = near_.of(block, a);
    const int *table = layer.table_of_pair.data() + (size_t) block.species[a] * numbers_.size();
    for (int e = 0; e < near.edges.count; e++) {
      const size_t start = table[near.species[e]] * layer.tables_step;
      near.table_at[e] = (long) (start + (size_t) near.interval[e] * (l_max_ + 1) * layer.group);
      near.vector_table_at[e] = (long) (start + layer.table_size +
                                        (size_t) near.interval[e] * layer.sent_channels);
      near.sent_at[e] = t ? (long) (atoms.feature_row[near.neighbour[e]] * row)
                          : (long) near.species[e] * layer.sent_channels;
    }
  }
}

/* The arrays of a member in which they find them. */

template <class T> void Evaluator<T>::use_arrays(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedLayer<T> &layer = member.layers[t];
  int capacity = 0;
  for (int a = 0; a < block.count; a++)
    capacity = std::max(capacity, near_.of(block, a).edges.capacity);
  coupling_.resize((size_t) capacity * layer.most_couplings);
  for (int a = 0; a < block.count; a++) {
    Edges<T> &edges = near_.of(block, a).edges;
    edges.table_group = layer.table_group;
    edges.tables = layer.tables.data();
    edges.sent = t ? member.kept[t].sent.data() : layer.sent.data();
    edges.sent_gradient = t ? member.kept[t].sent_gradient.data() : nullptr;
    edges.coupling = coupling_.data();
  }
}

/* A linear layer for component m of degree l of all atoms of the block: in(a, m) and out(a, m) are
   the rows of atom a. */

template <class T>
template <class In, class Out>
void Evaluator<T>::multiply(const Matrix<T> &matrix, bool transposed, const AtomBlock &block, int l,
                            In in, Out out, bool add)
{
  const int nspecies = matrix.per_species ? (int) numbers_.size() : 1;
  for (int s = 0; s < nspecies; s++) {
    rows_in_.clear();
    rows_out_.clear();
    for (int a = 0; a < block.count; a++)
      for (int m = 0; m < 2 * l + 1; m++)
        if (!matrix.per_species || block.species[a] == s) {
          rows_in_.push_back(in(a, m));
          rows_out_.push_back(out(a, m));
        }
    kernels_.linear((int) rows_in_.size(), transposed ? matrix.nout : matrix.nin,
                    transposed ? matrix.nin : matrix.nout, rows_in_.data(),
                    transposed ? matrix.transpose(s) : matrix.matrix(s), rows_out_.data(), add);
  }
}

/* The sums over the neighbours of every atom, in raw_. */

template <class T>
void Evaluator<T>::sum_edges(const PreparedLayer<T> &layer, const AtomBlock &block)
{
  for (int first = 0; first < layer.sent_channels; first += layer.group)
    for (int a = 0; a < block.count; a++)
      kernels_.sum_scalar(near_.of(block, a).edges, layer.group, l_max_, layer.scalar_row,
                          layer.scalar_step, first, layer.sent_channels,
                          raw_.data() + (size_t) a * raw_size_);
  for (const VectorPath &path : layer.vector_paths)
    for (int a = 0; a < block.count; a++)
      kernels_.sum_vector(near_.of(block, a).edges, path,
                          layer.coupling_terms.data() + path.first_term, layer.sent_channels,
                          raw_.data() + (size_t) a * raw_size_);
}

/* Its adjoint: from raw_gradient_ to the gradients of edges and sent features. */

template <class T>
void Evaluator<T>::sum_edges_backward(const PreparedLayer<T> &layer, const AtomBlock &block,
                                      bool sent_wanted)
{
  for (int first = 0; first < layer.sent_channels; first += layer.group)
    for (int a = 0; a < block.count; a++)
      kernels_.sum_scalar_backward(near_.of(block, a).edges, layer.group, l_max_, layer.scalar_row,
                                   layer.scalar_step, first, layer.sent_channels,
                                   raw_gradient_.data() + (size_t) a * raw_size_, sent_wanted);
  for (const VectorPath &path : layer.vector_paths)
    for (int a = 0; a < block.count; a++)
      kernels_.sum_vector_backward(
          near_.of(block, a).edges, path, layer.coupling_terms.data() + path.first_term,
          layer.sent_channels, raw_gradient_.data() + (size_t) a * raw_size_, products_.data());
}

/* The sum of the density function over the neighbours of an atom. */

template <class T>
double Evaluator<T>::density(const PreparedLayer<T> &layer, int species, const AtomEdges<T> &near)
{
  const int *table = layer.table_of_pair.data() + (size_t) species * numbers_.size();
  double sum = 0.0;
  for (int e = 0; e < near.edges.count; e++) {
    const double *a = layer.densities.data() +
        (size_t) table[near.species[e]] * (nodes_.intervals + 5) + near.interval[e];
    const T *w = near.factors_of(e) + WEIGHTS * FEW;
    for (int q = 0; q < 6; q++) sum += a[q] * w[q * FEW];
  }
  return sum;
}

template <class T>
void Evaluator<T>::density_backward(const PreparedLayer<T> &layer, int species, AtomEdges<T> &near,
                                    double seed)
{
  const int *table = layer.table_of_pair.data() + (size_t) species * numbers_.size();
  for (int e = 0; e < near.edges.count; e++) {
    const double *a = layer.densities.data() +
        (size_t) table[near.species[e]] * (nodes_.intervals + 5) + near.interval[e];
    const T *d = near.factors_of(e) + SLOPES * FEW;
    double slope = 0.0;
    for (int q = 0; q < 6; q++) slope += a[q] * d[q * FEW];
    near.edges.gradient[(size_t) e * 16] += (T) (seed * slope);
  }
}

/* From the sums over neighbours to the contraction's input, for a gated layer. */

template <class T> void Evaluator<T>::pass_gate(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedLayer<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const int nrows = ungated_rows();
  const size_t in_size = (size_t) (t ? member.layers[t - 1].out_rows : 1) * C_;
  const auto raw = [&](int l) {
    const int width = layer.degree_paths[l] * layer.sent_channels;
    return [this, &layer, l, width](int a, int m) {
      return raw_.data() + (size_t) a * raw_size_ +
          (size_t) layer.degree_row[l] * layer.sent_channels + (size_t) m * width;
    };
  };
  const auto into = [&](int row) {
    return [this, &member, &block, t, row](int a, int m) {
      return ungated(member, t, block, a) + (size_t) (row + m) * C_;
    };
  };
  for (int l = 0; l <= l_max_; l++)
    multiply(layer.linear[l], false, block, l, raw(l), into(l * l), false);
  for (int l = 1; l <= l_max_; l++)
    multiply(layer.gate_linear[l - 1], false, block, 0, raw(0), into(nlm_ + l - 1), false);
  for (int a = 0; a < block.count; a++) {
    T *rows = ungated(member, t, block, a);
    if (layer.has_density) {
      const double sum = density(layer, block.species[a], near_.of(block, a));
      const T factor = kept.density[block.i[a]] =
          (T) (1.0 / (layer.density_offset + layer.density_slope * sum));
      for (int k = 0; k < nrows * C_; k++) rows[k] *= factor;
    }
    memcpy((void *) (rows + (size_t) nrows * C_), rows, sizeof(T) * nrows * C_);
    if (t) continue;
    const T *own = layer.own_constant.data() + (size_t) block.species[a] * (l_max_ + 1) * C_;
    for (int c = 0; c < C_; c++) rows[c] += own[c];
    for (int k = 0; k < l_max_ * C_; k++) rows[nlm_ * C_ + k] += own[C_ + k];
  }
  const auto features = [&](int l) {
    return [&kept, &block, in_size, l, this](int a, int m) {
      return kept.features.data() + block.i[a] * in_size + (size_t) (l * l + m) * C_;
    };
  };
  for (int l = 0; l < (int) layer.own.size(); l++)
    multiply(layer.own[l], false, block, l, features(l), into(l * l), true);
  for (int l = 1; l <= (int) layer.own_gates.size(); l++)
    multiply(layer.own_gates[l - 1], false, block, 0, features(0), into(nlm_ + l - 1), true);

  for (int a = 0; a < block.count; a++) {
    const T *x = ungated(member, t, block, a);
    T *y = gated_.data() + (size_t) a * nlm_ * C_;
    for (int c = 0; c < C_; c++) y[c] = (T) layer.silu_factor * x[c] / (1 + std::exp(-x[c]));
    for (int l = 1; l <= l_max_; l++)
      for (int c = 0; c < C_; c++) {
        const T gate = (T) layer.sigmoid_factor / (1 + std::exp(-x[(nlm_ + l - 1) * C_ + c]));
        for (int row = l * l; row < (l + 1) * (l + 1); row++)
          y[row * C_ + c] = gate * x[row * C_ + c];
      }
  }
  for (int l = 0; l <= l_max_; l++)
    multiply(
        layer.mix[l], false, block, l,
        [&](int a, int m) { return gated_.data() + ((size_t) a * nlm_ + l * l + m) * C_; },
        [&](int a, int m) { return sums(member, t, block, a) + (size_t) (l * l + m) * C_; }, false);
}

/* Its adjoint: from message_gradient_ to the gradients of the sums in raw_gradient_, of the atoms'
   own features, and of the densities. */

template <class T>
void Evaluator<T>::pass_gate_backward(Member<T> &member, int t, const AtomBlock &block,
                                      double *density_gradient)
{
  const PreparedLayer<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const int nrows = ungated_rows();
  const size_t in_size = (size_t) (t ? member.layers[t - 1].out_rows : 1) * C_;
  for (int l = 0; l <= l_max_; l++)
    multiply(
        layer.mix[l], true, block, l,
        [&](int a, int m) {
          return message_gradient_.data() + ((size_t) a * nlm_ + l * l + m) * C_;
        },
        [&](int a, int m) { return gated_.data() + ((size_t) a * nlm_ + l * l + m) * C_; }, false);
  for (int a = 0; a < block.count; a++) {
    const T *x = ungated(member, t, block, a), *g = gated_.data() + (size_t) a * nlm_ * C_;
    T *to = ungated_gradient_.data() + (size_t) a * nrows * C_;
    for (int c = 0; c < C_; c++) {
      const T s = 1 / (1 + std::exp(-x[c]));
      to[c] = g[c] * (T) layer.silu_factor * s * (1 + x[c] * (1 - s));
    }
    for (int l = 1; l <= l_max_; l++)
      for (int c = 0; c < C_; c++) {
        const T s = 1 / (1 + std::exp(-x[(nlm_ + l - 1) * C_ + c]));
        const T gate = (T) layer.sigmoid_factor * s;
        T sum = 0;
        for (int row = l * l; row < (l + 1) * (l + 1); row++) {
          sum += g[row * C_ + c] * x[row * C_ + c];
          to[row * C_ + c] = g[row * C_ + c] * gate;
        }
        to[(nlm_ + l - 1) * C_ + c] = sum * gate * (1 - s);
      }
  }
  const auto from = [&](int row) {
    return [this, nrows, row](int a, int m) {
      return ungated_gradient_.data() + ((size_t) a * nrows + row + m) * C_;
    };
  };
  const auto own = [&](int l) {
    return [&kept, &block, in_size, l, this](int a, int m) {
      return kept.gradient.data() + block.i[a] * in_size + (size_t) (l * l + m) * C_;
    };
  };
  for (int l = 0; l < (int) layer.own.size(); l++)
    multiply(layer.own[l], true, block, l, from(l * l), own(l), true);
  for (int l = 1; l <= (int) layer.own_gates.size(); l++)
    multiply(layer.own_gates[l - 1], true, block, 0, from(nlm_ + l - 1), own(0), true);
  if (layer.has_density)
    for (int a = 0; a < block.count; a++) {
      const T *share = ungated(member, t, block, a) + (size_t) nrows * C_;
      T *gradient = ungated_gradient_.data() + (size_t) a * nrows * C_;
      const T factor = kept.density[block.i[a]];
      double sum = 0.0;
      for (int k = 0; k < nrows * C_; k++) {
        sum -= (double) gradient[k] * share[k];
        gradient[k] *= factor;
      }
      density_gradient[a] = sum * factor * layer.density_slope;
    }
  const auto raw = [&](int l) {
    const int width = layer.degree_paths[l] * layer.sent_channels;
    return [this, &layer, l, width](int a, int m) {
      return raw_gradient_.data() + (size_t) a * raw_size_ +
          (size_t) layer.degree_row[l] * layer.sent_channels + (size_t) m * width;
    };
  };
  for (int l = 0; l <= l_max_; l++)
    multiply(layer.linear[l], true, block, l, from(l * l), raw(l), false);
  for (int l = 1; l <= l_max_; l++)
    multiply(layer.gate_linear[l - 1], true, block, 0, from(nlm_ + l - 1), raw(0), true);
}

/* The symmetric contraction of the block's messages, in product_, and the gradient of a scalar one.
 */

template <class T> void Evaluator<T>::contract(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedLayer<T> &layer = member.layers[t];
  const int lanes = kernels_.lanes;
  const size_t message_size = (size_t) nlm_ * C_, product_size = (size_t) layer.out_rows * C_;
  if (layer.keep_gradient)
    for (int a = 0; a < block.count; a++)
      memset((void *) sums(member, t, block, a), 0, sizeof(T) * message_size);
  int row = 0;
  for (const auto &of_degree : layer.contraction)
    for (const auto &polynomial : of_degree) {
      for (int v = 0; v < nvectors_; v += 2)
        for (int a = 0; a < block.count; a++) {
          T *kept = sums(member, t, block, a) + v * lanes;
          kernels_.polynomial(
              std::min(2, nvectors_ - v), polynomial.program.data(),
              polynomial.of(block.species[a], v, nvectors_, lanes),
              polynomial.ncoefficients * lanes, nlm_,
              layer.keep_gradient ? message_.data() + a * message_size + v * lanes : kept, C_,
              product_.data() + a * product_size + (size_t) row * C_ + v * lanes, nullptr,
              layer.keep_gradient ? kept : nullptr);
        }
      row++;
    }
}

/* Its adjoint: from product_gradient_ to message_gradient_. */

template <class T>
void Evaluator<T>::contract_backward(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedLayer<T> &layer = member.layers[t];
  const int lanes = kernels_.lanes;
  const size_t message_size = (size_t) nlm_ * C_, product_size = (size_t) layer.out_rows * C_;
  if (layer.keep_gradient) {
    for (int a = 0; a < block.count; a++) {
      const T *gradient = sums(member, t, block, a);
      const T *seed = product_gradient_.data() + a * product_size;
      T *to = message_gradient_.data() + a * message_size;
      for (int m = 0; m < nlm_; m++)
        for (int c = 0; c < C_; c++) to[m * C_ + c] = gradient[m * C_ + c] * seed[c];
    }
    return;
  }
  memset((void *) message_gradient_.data(), 0, sizeof(T) * block.count * message_size);
  int row = 0;
  for (const auto &of_degree : layer.contraction)
    for (const auto &polynomial : of_degree) {
      for (int v = 0; v < nvectors_; v += 2)
        for (int a = 0; a < block.count; a++)
          kernels_.polynomial(
              std::min(2, nvectors_ - v), polynomial.program.data(),
              polynomial.of(block.species[a], v, nvectors_, lanes),
              polynomial.ncoefficients * lanes, nlm_, sums(member, t, block, a) + v * lanes, C_,
              nullptr, product_gradient_.data() + a * product_size + (size_t) row * C_ + v * lanes,
              message_gradient_.data() + a * message_size + v * lanes);
      row++;
    }
}

/* One interaction, product and readout of the block. Leaves what the way back needs in kept, and
   for the last layer the gradients of its outputs. Adds the atoms' energies in units of the scale,
   and sets the scalars after the layer, and what its readout makes of them, where they are wanted.
 */

template <class T>
void Evaluator<T>::forward(Member<T> &member, int t, const AtomBlock &block, bool last,
                           double *energies, const Results &results)
{
  const PreparedLayer<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const size_t message_size = (size_t) nlm_ * C_, out_size = (size_t) layer.out_rows * C_;

  use_arrays(member, t, block);
  sum_edges(layer, block);
  const auto message = [&](int a) {
    return layer.keep_gradient ? message_.data() + a * message_size : sums(member, t, block, a);
  };
  if (layer.gated) pass_gate(member, t, block);
  for (int l = 0; l <= l_max_ && !layer.gated; l++) {
    const int width = layer.degree_paths[l] * layer.sent_channels;
    multiply(
        layer.linear[l], false, block, l,
        [&](int a, int m) {
          return raw_.data() + (size_t) a * raw_size_ +
              (size_t) layer.degree_row[l] * layer.sent_channels + (size_t) m * width;
        },
        [&](int a, int m) { return message(a) + (size_t) (l * l + m) * C_; }, false);
  }
  if (layer.has_density && !layer.gated)
    for (int a = 0; a < block.count; a++) {
      const double sum = density(layer, block.species[a], near_.of(block, a));
      const T factor = kept.density[block.i[a]] =
          (T) (1.0 / (layer.density_offset + layer.density_slope * sum));
      T *row = message(a);
      for (size_t k = 0; k < message_size; k++) row[k] *= factor;
    }
  contract(member, t, block);

  const auto row_of = [&](Array<T> &array, int l) {
    return [&array, out_size, l, this](int a, int m) {
      return array.data() + a * out_size + (size_t) (l * l + m) * C_;
    };
  };
  for (int l = 0; l < (int) layer.product.size(); l++) {
    multiply(layer.product[l], false, block, l, row_of(product_, l), row_of(output_, l), false);
    if (l < (int) layer.residual.size()) {
      const size_t in_size = (size_t) (t ? member.layers[t - 1].out_rows : 1) * C_;
      multiply(
          layer.residual[l], false, block, l,
          [&](int a, int m) {
            return kept.features.data() + block.i[a] * in_size + (size_t) (l * l + m) * C_;
          },
          row_of(output_, l), true);
    }
  }
  for (int a = 0; a < block.count; a++) {
    T *output = output_.data() + a * out_size;
    if (layer.residual_constant.size()) {
      const T *constant = layer.residual_constant.data() + (size_t) block.species[a] * C_;
      for (int c = 0; c < C_; c++) output[c] += constant[c];
    }
    T *gradient = last ? output_gradient_.data() + a * out_size
                       : member.kept[t + 1].gradient.data() + block.i[a] * out_size;
    memset((void *) gradient, 0, sizeof(T) * out_size);
    double *const inputs = results.readout_inputs;
    energies[a] += read(
        member, layer, output, gradient,
        inputs ? inputs + (size_t) block.i[a] * readout_inputs_ + readout_inputs_at_[t] : nullptr);
    if (results.features)
      std::copy_n(output, channels_,
                  results.features + ((size_t) block.i[a] * nlayers_ + (size_t) t) * channels_);
    if (!last)
      memcpy((void *) (member.kept[t + 1].features.data() + block.i[a] * out_size), output,
             sizeof(T) * out_size);
  }
  if (!last) send(member, t + 1, block);
}

/* The readout's energy in units of the scale, and its gradient times the scale; `inputs`, if not
   null, of its last linear layers. */

template <class T>
double Evaluator<T>::read(const Member<T> &member, const PreparedLayer<T> &layer, const T *features,
                          T *gradient, double *inputs)
{
  double energy = 0.0;
  if (inputs && !layer.readout.empty()) inputs = std::copy_n(features, channels_, inputs);
  if (!layer.readout.empty())
    for (int c = 0; c < channels_; c++) {
      energy += layer.readout[c] * features[c];
      gradient[c] += (T) (member.scale * layer.readout[c]);
    }
  const int width = layer.readout_width;
  if (!width) return energy;
  hidden_.assign(width, 0.0);
  for (int c = 0; c < channels_; c++) {
    const double *row = layer.readout_hidden.data() + (size_t) c * width;
    for (int k = 0; k < width; k++) hidden_[k] += row[k] * features[c];
  }
  active_.resize(width);
  activate(Activation::SILU, 1.0, width, hidden_.data(), active_.data());
  if (layer.readout_mid.empty())
    for (int k = 0; k < width; k++) {
      energy += layer.readout_out[k] * active_[k];
      hidden_[k] *= member.scale * layer.readout_out[k];
    }
  else
    energy += read_second(member.scale, layer);
  if (inputs) std::copy_n(active_.data(), width, inputs);
  for (int c = 0; c < channels_; c++) {
    const double *row = layer.readout_hidden.data() + (size_t) c * width;
    double sum = 0.0;
    for (int k = 0; k < width; k++) sum += row[k] * hidden_[k];
    gradient[c] += (T) sum;
  }
  return energy;
}

/* The same of a readout with a second hidden layer, from the activations of the first in active_,
   which become those of the second, and whose slopes in hidden_ become gradients. */

template <class T> double Evaluator<T>::read_second(double scale, const PreparedLayer<T> &layer)
{
  const int width = layer.readout_width;
  second_ = layer.readout_mid_bias;
  for (int j = 0; j < width; j++) {
    const double *row = layer.readout_mid.data() + (size_t) j * width;
    for (int k = 0; k < width; k++) second_[k] += row[k] * active_[j];
  }
  activate(Activation::SILU, 1.0, width, second_.data(), active_.data());
  double energy = 0.0;
  for (int k = 0; k < width; k++) {
    energy += layer.readout_out[k] * active_[k];
    second_[k] *= scale * layer.readout_out[k];
  }
  for (int j = 0; j < width; j++) {
    const double *row = layer.readout_mid.data() + (size_t) j * width;
    double sum = 0.0;
    for (int k = 0; k < width; k++) sum += row[k] * second_[k];
    hidden_[j] *= sum;
  }
  return energy;
}

/* What the block's atoms send to their neighbours in layer t. */

template <class T> void Evaluator<T>::send(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedLayer<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const int sent = layer.sent_channels;
  const size_t in_size = (size_t) member.layers[t - 1].out_rows * C_;
  for (int l = 0; l < (int) layer.up.size(); l++)
    multiply(
        layer.up[l], false, block, l,
        [&](int a, int m) {
          return kept.features.data() + block.i[a] * in_size + (size_t) (l * l + m) * C_;
        },
        [&](int a, int m) {
          return kept.sent.data() + ((size_t) block.i[a] * layer.sent_rows + l * l + m) * sent;
        },
        false);
}

/* Its adjoint. */

template <class T> void Evaluator<T>::collect(Member<T> &member, int t, const AtomBlock &block)
{
  const PreparedLayer<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const int sent = layer.sent_channels;
  const size_t in_size = (size_t) member.layers[t - 1].out_rows * C_;
  for (int l = 0; l < (int) layer.up.size(); l++)
    multiply(
        layer.up[l], true, block, l,
        [&](int a, int m) {
          return kept.sent_gradient.data() +
              ((size_t) block.i[a] * layer.sent_rows + l * l + m) * sent;
        },
        [&](int a, int m) {
          return kept.gradient.data() + block.i[a] * in_size + (size_t) (l * l + m) * C_;
        },
        true);
}

/* The way back through layer t for the block, whose edges are described, from the gradients of its
   outputs in output_gradient_. */

template <class T>
void Evaluator<T>::backward(Member<T> &member, int t, const AtomBlock &block, Results &results)
{
  const PreparedLayer<T> &layer = member.layers[t];
  Kept<T> &kept = member.kept[t];
  const size_t message_size = (size_t) nlm_ * C_, out_size = (size_t) layer.out_rows * C_;

  const auto row_of = [&](Array<T> &array, int l) {
    return [&array, out_size, l, this](int a, int m) {
      return array.data() + a * out_size + (size_t) (l * l + m) * C_;
    };
  };
  for (int l = 0; l < (int) layer.product.size(); l++) {
    multiply(layer.product[l], true, block, l, row_of(output_gradient_, l),
             row_of(product_gradient_, l), false);
    if (t > 0 && l < (int) layer.residual.size()) {
      const size_t in_size = (size_t) member.layers[t - 1].out_rows * C_;
      multiply(
          layer.residual[l], true, block, l, row_of(output_gradient_, l),
          [&](int a, int m) {
            return kept.gradient.data() + block.i[a] * in_size + (size_t) (l * l + m) * C_;
          },
          true);
    }
  }
  contract_backward(member, t, block);

  double density_gradient[ATOMS_AT_ONCE];
  if (layer.gated) pass_gate_backward(member, t, block, density_gradient);
  if (layer.has_density && !layer.gated)
    for (int a = 0; a < block.count; a++) {
      T *gradient = message_gradient_.data() + a * message_size;
      const T *message = sums(member, t, block, a);
      const T factor = kept.density[block.i[a]];
      double sum = 0.0;
      for (size_t k = 0; k < message_size; k++) {
        sum -= (double) gradient[k] * message[k];
        gradient[k] *= factor;
      }
      density_gradient[a] = sum * factor * layer.density_slope;
    }
  for (int l = 0; l <= l_max_ && !layer.gated; l++) {
    const int width = layer.degree_paths[l] * layer.sent_channels;
    multiply(
        layer.linear[l], true, block, l,
        [&](int a, int m) {
          return message_gradient_.data() + a * message_size + (size_t) (l * l + m) * C_;
        },
        [&](int a, int m) {
          return raw_gradient_.data() + (size_t) a * raw_size_ +
              (size_t) layer.degree_row[l] * layer.sent_channels + (size_t) m * width;
        },
        false);
  }
  sum_edges_backward(layer, block, t > 0);
  for (int a = 0; a < block.count; a++) {
    if (layer.has_density)
      density_backward(layer, block.species[a], near_.of(block, a), density_gradient[a]);
    kernels_.forces(near_.of(block, a).edges, l_max_);
    near_.add_forces(block, a, results);
  }
}

/* Ziegler-Biersack-Littmark repulsion of the pairs closer than the sum of their covalent radii, as
   MACE cuts it off; half of each pair belongs to atom i. In units of the scale. */

template <class T>
double Evaluator<T>::repulsion(const Member<T> &member, const Atoms &atoms, int i,
                               const AtomEdges<T> &near, Results &results)
{
  const Edges<T> &edges = near.edges;
  const double exponents[4] = {3.2, 0.9423, 0.4028, 0.2016};
  const double *c = repulsion_.data();
  const double p = repulsion_[6];
  const int si = species_of_type_[atoms.type[i]];
  double energy = 0.0;
  for (int e = 0; e < edges.count; e++) {
    const int sj = near.species[e];
    const double d[3] = {edges.dx[e], edges.dy[e], edges.dz[e]};
    const double r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    const double r_max = radii_[si] + radii_[sj];
    if (r >= r_max) continue;
    const double zi = numbers_[si], zj = numbers_[sj];
    const double a = c[5] * 0.529 / (std::pow(zi, c[4]) + std::pow(zj, c[4]));
    double phi = 0.0, slope = 0.0;
    for (int k = 0; k < 4; k++) {
      const double term = c[k] * std::exp(-exponents[k] * r / a);
      phi += term;
      slope -= exponents[k] / a * term;
    }
    const double x = r / r_max;
    const double cut = 1.0 - 0.5 * (p + 1.0) * (p + 2.0) * std::pow(x, p) +
        p * (p + 2.0) * std::pow(x, p + 1.0) - 0.5 * p * (p + 1.0) * std::pow(x, p + 2.0);
    const double cut_slope = 0.5 * p * (p + 1.0) * (p + 2.0) / r_max *
        (-std::pow(x, p - 1.0) + 2.0 * std::pow(x, p) - std::pow(x, p + 1.0));
    const double k = 0.5 * 14.3996 * zi * zj / r;
    energy += k * phi * cut;
    const double along = member.scale * k * ((slope - phi / r) * cut + phi * cut_slope) / r;
    const double f[3] = {along * d[0], along * d[1], along * d[2]};
    add_pair_force(i, near.neighbour[e], d, f, results);
  }
  return energy;
}

template <class T> void Evaluator<T>::reserve_atoms(Member<T> &member, const Atoms &atoms)
{
  const size_t nlocal = (size_t) std::max(atoms.nlocal, 1);
  const size_t rows = (size_t) std::max(atoms.nfeatures, 1);
  for (int t = 0; t < nlayers_; t++) {
    const PreparedLayer<T> &layer = member.layers[t];
    Kept<T> &kept = member.kept[t];
    kept.sums.resize((t == nlayers_ - 1 ? (size_t) ATOMS_AT_ONCE : nlocal) * nlm_ * C_);
    if (layer.gated)
      kept.ungated.resize((t == nlayers_ - 1 ? (size_t) ATOMS_AT_ONCE : nlocal) * 2 *
                          ungated_rows() * C_);
    if (layer.has_density) kept.density.resize(nlocal);
    if (t == 0) continue;
    const size_t width = (size_t) member.layers[t - 1].out_rows * C_;
    kept.features.resize(nlocal * width);
    kept.gradient.resize(nlocal * width);
    const size_t sent = rows * layer.sent_rows * layer.sent_channels;
    kept.sent.resize(sent);
    kept.sent_gradient.resize(sent);
    memset((void *) kept.sent_gradient.data(), 0, sizeof(T) * sent);
  }
}

/* The way back through a layer that is not the last. */

template <class T>
void Evaluator<T>::return_through(Member<T> &member, int t, const AtomBlock &block,
                                  Results &results)
{
  const size_t width = (size_t) member.layers[t].out_rows * C_;
  collect(member, t + 1, block);
  for (int a = 0; a < block.count; a++)
    memcpy((void *) (output_gradient_.data() + a * width),
           member.kept[t + 1].gradient.data() + block.i[a] * width, sizeof(T) * width);
  use_arrays(member, t, block);
  backward(member, t, block, results);
}

/* Layer t of one member: forward, and where it is the last, back too. */

template <class T>
void Evaluator<T>::pass(Member<T> &member, int t, const Atoms &atoms, const AtomBlock &block,
                        Results &results)
{
  const bool last = t == nlayers_ - 1;
  double energies[ATOMS_AT_ONCE] = {};
  forward(member, t, block, last, energies, results);
  for (int a = 0; a < block.count; a++) {
    if (t == 0 && !repulsion_.empty())
      energies[a] += repulsion(member, atoms, block.i[a], near_.of(block, a), results);
    energies[a] *= member.scale;
    if (t == 0) energies[a] += member.energies[block.species[a]];
    results.energy += energies[a];
    if (results.eatoms) results.eatoms[block.i[a]] += energies[a];
  }
  if (last) backward(member, t, block, results);
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
    for (int begin = 0; begin < atoms.nlist; begin += at_once * ATOMS_AT_ONCE) {
      const auto &blocks = near_.take_blocks(atoms, begin, at_once, t == 0);
      for (const AtomBlock &block : blocks)
        describe_edges(members_[first].layers[t], t, atoms, block);
      for (int k = 0; k < nmembers; k++)
        for (const AtomBlock &block : blocks)
          pass(members_[first + k], t, atoms, block, results[k]);
    }
    if (t < nlayers_ - 1)
      for (int k = 0; k < nmembers; k++) {
        const PreparedLayer<T> &next = members_[first + k].layers[t + 1];
        exchange.forward(members_[first + k].kept[t + 1].sent.data(),
                         next.sent_rows * next.sent_channels, sizeof(T));
      }
  }

  for (int t = nlayers_ - 2; t >= 0; t--) {
    for (int k = 0; k < nmembers; k++) {
      const PreparedLayer<T> &next = members_[first + k].layers[t + 1];
      exchange.reverse(members_[first + k].kept[t + 1].sent_gradient.data(),
                       next.sent_rows * next.sent_channels, sizeof(T));
    }
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
  return "native MACE, " +
      (members_.size() > 1 ? std::to_string(members_.size()) + " members, " : std::string()) +
      (sizeof(T) == 4 ? "float32, " : "float64, ") + simd_ + ", " + std::to_string(nlayers_) +
      " layers, " + std::to_string(channels_) + " channels, radial tables of " +
      std::to_string(nodes_.intervals) + " intervals (error " + error + " of the largest value)";
}

template <class T> double Evaluator<T>::memory() const
{
  size_t numbers = coupling_.size() + products_.size() + raw_.size() + raw_gradient_.size() +
      message_.size() + message_gradient_.size();
  for (const Member<T> &member : members_) {
    for (const Kept<T> &kept : member.kept)
      numbers += kept.sums.size() + kept.density.size() + kept.ungated.size() +
          kept.features.size() + kept.gradient.size() + kept.sent.size() +
          kept.sent_gradient.size();
    for (const auto &layer : member.layers) numbers += layer.tables.size();
  }
  return (double) numbers * sizeof(T) + (double) near_.memory();
}

template <class T>
std::unique_ptr<NativeEvaluator> open_as(const std::string &path, const std::vector<Mace> &members,
                                         const std::vector<std::string> &elements, int intervals)
{
  const char *simd = "";
  const Kernels<T> &kernels = best_kernels<T>(&simd);
  return std::make_unique<Evaluator<T>>(
      kernels, simd, prepare<T>(path, members, elements, kernels.lanes, intervals));
}

}    // namespace

std::unique_ptr<NativeEvaluator> lamplighter::open_mace(const TensorFile &file,
                                                        const TensorFile &training_set,
                                                        const std::vector<std::string> &elements,
                                                        const std::string &dtype, int intervals)
{
  const std::vector<Mace> members = read_mace(file);
  const Mace &first = members[0];
  auto opened = dtype == "float32" || (dtype == "auto" && first.single_precision)
      ? open_as<float>(file.path(), members, elements, intervals)
      : open_as<double>(file.path(), members, elements, intervals);
  opened->know_training_set(file, training_set, elements);
  return opened;
}
