// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_MACE_PARAMETERS_H
#define LAMPLIGHTER_MACE_PARAMETERS_H

#include <cstdint>
#include <string>
#include <vector>

namespace lamplighter {

class TensorFile;

/* How the distance of a pair becomes the weights of a convolution: a basis of the (transformed)
   distance times a polynomial cutoff, and a perceptron on top of it. Distances in Angstrom. */
struct RadialBasis {
  enum Kind { BESSEL, GAUSSIAN } kind;
  std::vector<double> parameters;    // frequencies (1/A) or centres (A)
  double prefactor;                  // of the Bessel functions; exponent (1/A^2) of the Gaussians
  double r_max;
  int cutoff_power;
  bool cutoff_after_perceptron;
  enum Transform { NONE, AGNESI, SOFT } transform;
  std::vector<double> transform_parameters;    // a, q, p or alpha
};

/* One way in which a neighbour's features of degree l1 and the spherical harmonics of degree l2 are
   coupled to degree l3. */
struct Path {
  int l1, l2, l3;
  std::vector<double> coupling;    // [2 l1 + 1][2 l2 + 1][2 l3 + 1], all constants included
};

/* One term of a symmetric contraction: value * weights[k] * A[lm[0]] ... A[lm[order - 1]]. */
struct ContractionTerm {
  int m, order, lm[3], k;
  double value;
};

/* A network of the basis functions: matrices [in][out] with silu between them. */
struct Perceptron {
  std::vector<std::vector<double>> matrices;
  // of each matrix, or empty: the first [receiver's species][sender's species][out], others [out]
  std::vector<std::vector<double>> biases;
  // before each silu, or empty: scale[out] and shift[out] of a layer normalisation
  std::vector<std::vector<double>> norms;
  std::vector<int> widths;

  bool of_species() const { return !biases.empty(); }
};

/* What makes an interaction non-linear: sums over neighbours go through linear layers to scalars,
   features of degree l and a gate for each of those; the atom's own features are added, scalars
   become silu, the others are multiplied with the sigmoid of their gates, and a linear layer mixes
   each degree. */
struct Gate {
  double silu_factor, sigmoid_factor;
  std::vector<std::vector<double>>
      linear;    // per degree from 1: [paths of degree 0 * edge_channels][channels]
  // what is added: [species][l_max + 1][channels], scalars first; or, in later layers, matrices
  // [channels][channels] of each degree before, and of its scalars to the gates
  std::vector<double> own_constant;
  std::vector<std::vector<double>> own, own_gates;
  std::vector<std::vector<double>> mix;    // per degree: [channels][channels]
};

/* Weights of one degree L of a symmetric contraction and its terms. */
struct Contraction {
  std::vector<ContractionTerm> terms;
  int nweights[3];                   // of order 1, 2, 3
  std::vector<double> weights[3];    // [species][nweights][channels]
};

/* One interaction with the product and the readout that follow. All linear layers are matrices
   [in][out] with their normalisation inside. */
struct Layer {
  int edge_channels;    // channels of the features that neighbours send
  int l_sent;           // their highest degree
  int l_in, l_out;      // highest degree of the node features before and after
  std::vector<Path> paths;
  Perceptron perceptron;
  // sums over neighbours are divided by density_offset + density_slope * sum of tanh(x^2), x being
  // the one number of this network; no matrices: they are not
  Perceptron density;
  double density_offset, density_slope;
  bool gated;
  Gate gate;
  std::vector<double> sent;               // first layer: [species][edge_channels]
  std::vector<std::vector<double>> up;    // later layers, per degree: [channels][edge_channels]
  bool linear_per_species;
  // per degree: [species or 1][paths of the degree * edge_channels][channels]
  std::vector<std::vector<double>> linear;
  std::vector<Contraction> contraction;        // per degree of the output
  std::vector<std::vector<double>> product;    // per degree of the output: [channels][channels]
  std::vector<double> residual_constant;       // first layer: [species][channels], or empty
  // later layers, per degree of the output: [species][channels][channels], or empty
  std::vector<std::vector<double>> residual;
  std::vector<double> readout;             // linear: [channels], or empty
  std::vector<double> readout_hidden;      // silu perceptron: [channels][width], or empty
  std::vector<double> readout_mid;         // a second silu layer: [width][width], or empty
  std::vector<double> readout_mid_bias;    // [width]
  std::vector<double> readout_out;         // [width]
};

struct Mace {
  bool single_precision;       // as it was stored
  std::vector<int> numbers;    // atomic numbers of the species
  int channels, l_max;
  RadialBasis basis;
  std::vector<double> covalent_radii;    // [species], for transforms and pair repulsion
  std::vector<double> energies;          // [species], eV
  double scale, shift;                   // eV
  std::vector<double> repulsion;         // ZBL: c[4], exponent, prefactor, power; or empty
  std::vector<Layer> layers;
};

/* A model file made by `lamplighter compile`: one or several models of one architecture.
   Throws std::runtime_error where it is not a complete and consistent model. */
std::vector<Mace> read_mace(const TensorFile &);

}    // namespace lamplighter

#endif
