// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_LAYERED_PREPARED_H
#define LAMPLIGHTER_LAYERED_PREPARED_H

#include "convolution_kernels.h"
#include "layered_parameters.h"
#include "layered_tables.h"
#include "padded_arrays.h"

#include <string>
#include <vector>

namespace lamplighter {

/* Where the blocks of an atom's features lie: component m of block b begins at
   at[b] + m * step[b], in groups of channels. */
struct BlockLayout {
  std::vector<int> l, at, step, channels;
  int width = 0;

  void add(int degree, int nchannels, int padded_channels);
};

/* One part of a linear map. */
template <class T> struct PreparedPart {
  int l, from_at, from_step, to_at, to_step;
  Matrix<T> matrix;
};

template <class T> struct PreparedPath {
  int l1, l2, ngroups;
  int sent_at, sent_step;    // of the first group
  int sum_at, sum_step;      // of component m3 = 0
  int n3;
  size_t table;                                 // of the first group
  bool dot;                                     // to scalars: a scalar product, not an outer one
  int nproducts;                                // of a channel
  std::vector<SparseTerm> forward, backward;    // products to sums, and back
};

/* A gate's row for one block: numbers are channels. */
struct PreparedGate {
  int l, channels;
  int source_at, source_step, gate_at;    // gate_at -1: the source is activated itself
  int out_at, out_step;
  int value_at;    // where the gate's value is kept, behind the mixed features
  Activation activation;
  double factor;
};

/* One interaction of a model. */
template <class T> struct PreparedInteraction {
  BlockLayout in, sent, sums, mixed, out;
  std::vector<PreparedPart<T>> send, mix, own;
  std::vector<PreparedPath<T>> paths;
  std::vector<PreparedGate> gate;
  int kept_width;            // of mixed features and gates' values
  size_t table_group;        // numbers of one group of one path
  Array<T> tables;           // [path and group][row][GROUP]
  Array<T> first_sent;       // first layer: [species][sent.width]
  Array<T> constant;         // [species][mixed.width]: biases; first layer: all that is its own
  Array<T> sent_constant;    // [sent.width], biases; or empty
};

template <class T> struct PreparedLayered {
  std::vector<double> scale, shift;    // [species]
  std::vector<PreparedInteraction<T>> layers;
  std::vector<std::vector<double>> readout;
  std::vector<int> readout_widths;
  std::vector<int> readout_at;    // where the channels are that it reads
  Activation readout_activation;
};

/* Models of one architecture as the kernels read them, for the species that there are. */
template <class T> struct PreparedLayers {
  std::string family;
  int l_max, nspecies;
  double cutoff;
  RadialGrid grid;
  double table_error;    // of the largest value
  bool rough;            // the most intervals that are chosen do not reach the tolerance
  std::vector<int> species_of_type;
  std::vector<double> cutoffs;      // as in LayeredRadial, of the species that there are
  std::vector<double> repulsion;    // as in LayeredModel
  std::vector<int> numbers;         // atomic numbers of the species
  std::vector<PreparedLayered<T>> members;
};

/* As prepare of mace_prepared.h. */
template <class T>
PreparedLayers<T> prepare_layered(const std::string &path, const std::vector<LayeredModel> &members,
                                  const std::vector<std::string> &elements, int intervals);

}    // namespace lamplighter

#endif
