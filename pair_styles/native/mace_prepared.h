// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_MACE_PREPARED_H
#define LAMPLIGHTER_MACE_PREPARED_H

#include "kernels.h"
#include "mace_parameters.h"
#include "padded_arrays.h"

#include <cstddef>
#include <string>
#include <vector>

namespace lamplighter {

/* One component of a symmetric contraction as a polynomial with a coefficient for every species and
   channel. */
template <class T> struct Polynomial {
  std::vector<int> program;
  size_t ncoefficients;
  Array<T> coefficients;    // [species][vector of channels][ncoefficients][lanes]

  const T *of(int species, int vector, int nvectors, int lanes) const
  {
    return coefficients.data() + ((size_t) species * nvectors + vector) * ncoefficients * lanes;
  }
};

/* One interaction, product and readout of a model. */
template <class T> struct PreparedLayer {
  int sent_channels, sent_rows, out_rows;    // channels padded
  int group;                                 // of channels, in sums over edges
  int vector_width;                          // paths from vectors * sent channels
  int most_couplings, most_products;         // of a path from vectors: n1 * n3, n1 * n2
  int table_size, table_group;               // of the paths from scalars: coefficients, of a group
  int sum_rows;                              // rows of the neighbour sums
  int scalar_row[4], scalar_step[4];         // of the paths from scalars
  int degree_row[5], degree_paths[4];
  std::vector<VectorPath> vector_paths;
  std::vector<CouplingTerm> coupling_terms;
  bool has_density, keep_gradient, linear_per_species;
  std::vector<int> table_of_pair;    // [species i][species j]
  Array<T> tables;                   // [table][table_size + vectors' coefficients]
  size_t tables_step;                // from one to the next
  std::vector<double> densities;     // [table][coefficient]
  Array<T> sent;                     // first layer: [species][sent channels]
  std::vector<Matrix<T>> up;         // later layers
  std::vector<Matrix<T>> linear, product, residual;
  double density_offset, density_slope;
  bool gated;
  double silu_factor, sigmoid_factor;
  std::vector<Matrix<T>> gate_linear, own, own_gates, mix;    // of a gated layer
  Array<T> own_constant;                                      // [species][l_max + 1][channels]
  Array<T> residual_constant;
  std::vector<std::vector<Polynomial<T>>> contraction;    // [L][m]
  std::vector<double> readout, readout_hidden, readout_mid, readout_mid_bias, readout_out;
  int readout_width;
};

/* One model. */
template <class T> struct PreparedMember {
  double scale;
  std::vector<double> energies;    // [species], with the shift
  std::vector<PreparedLayer<T>> layers;
};

/* Models of one architecture as the kernels read them: padded, transposed, tabulated, for the
   species that there are. */
template <class T> struct PreparedMace {
  int channels, l_max, nlayers;
  double cutoff;
  Nodes nodes;           // of all radial tables
  double table_error;    // of the largest value
  std::vector<int> species_of_type;
  std::vector<int> numbers;    // [species]
  std::vector<double> radii, repulsion;
  std::vector<PreparedMember<T>> members;
};

/* `elements[k]` is the symbol of type k + 1; `lanes` of the kernels; `intervals` of the radial
   tables, 0: as many as the least smooth radial function needs. Throws std::runtime_error where a
   model does not know an element; `path` is for its message. */
template <class T>
PreparedMace<T> prepare(const std::string &path, const std::vector<Mace> &members,
                        const std::vector<std::string> &elements, int lanes, int intervals);

}    // namespace lamplighter

#endif
