// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_LAYERED_PARAMETERS_H
#define LAMPLIGHTER_LAYERED_PARAMETERS_H

#include "activations.h"

#include <string>
#include <vector>

namespace lamplighter {

class TensorFile;

constexpr const char *LAYERED_FORMAT = "lamplighter-layers";

/* Features of an atom are blocks: `channels` tensors of one degree (and parity, which nothing here
   needs to know). */
struct FeatureBlock {
  int l, channels;
};

/* A linear map from the channels of one block to those of another, for all components alike. */
struct LinearPart {
  int from, to;
  std::vector<double> matrix;    // [species or 1][channels in][channels out]
};

/* A linear map between features, with a bias for scalars. */
struct LinearMap {
  bool per_species;
  std::vector<LinearPart> parts;
  std::vector<std::vector<double>> bias;    // of each block of the output, or empty
};

/* One term of the coupling of a path: component m1 of the neighbour's features times component m2
   of the harmonics gives `value` times component m3. */
struct CouplingConstant {
  int m1, m2, m3;
  double value;
};

/* One way in which a block of a neighbour's features and the harmonics of degree l2 are coupled and
   summed into a block of sums, where it has channels of its own. */
struct ConvolutionPath {
  int from, l2, to;
  std::vector<CouplingConstant> coupling;
};

/* A block of the output of a gate: activated scalars of a block of the input, or a block of the
   input times activated scalars of another one, its gate. */
struct GateRow {
  int source, gate;    // gate -1: none
  Activation activation;
  double factor;    // of the activation
};

/* Features go through a linear layer, are sent to the neighbours, summed there over all paths, and
   mixed by a second linear layer; the atom's own features are added through a third; a gate
   follows. Normalisations are inside the matrices. */
struct InteractionLayer {
  std::vector<FeatureBlock> in, sent, sums, mixed, out;    // channels of sums: of all their paths
  LinearMap send, mix, own;
  std::vector<ConvolutionPath> paths;
  std::vector<std::vector<double>> perceptron;    // matrices; the activation between them
  std::vector<int> perceptron_widths;
  std::vector<GateRow> gate;
};

/* Radial functions: perceptrons on a Bessel basis times a cutoff. */
struct LayeredRadial {
  std::vector<double> frequencies;    // 1/A
  double prefactor;
  double r_max;
  enum Cutoff { POLYNOMIAL, XPLOR } cutoff;
  double cutoff_parameter;    // power, or where it begins (A)
  Activation activation;
  bool solid;    // harmonics are multiplied by r^l
  /* A, [species of atom][of neighbour]: radial functions are those of the distance times r_max over
     the pair's cutoff. Empty: r_max for all. */
  std::vector<double> cutoffs;
};

/* A model as a sequence of interactions and a readout. */
struct LayeredModel {
  std::string family;
  bool single_precision;       // as it was stored
  std::vector<int> numbers;    // atomic numbers of the species
  int l_max;                   // of the harmonics
  LayeredRadial radial;
  std::vector<double> embedding;    // [species][channels]
  std::vector<InteractionLayer> layers;
  std::vector<std::vector<double>> readout;    // matrices; the activation between them
  std::vector<int> readout_widths;
  Activation readout_activation;
  std::vector<double> scale, shift;    // [species], eV
  std::vector<double> repulsion;       // of nuclei: prefactor (eV A), power of the cutoff; or empty
};

/* A file made by `lamplighter compile`: one or several models of one architecture.
   Throws std::runtime_error where it is not a complete and consistent model. */
std::vector<LayeredModel> read_layered(const TensorFile &);

}    // namespace lamplighter

#endif
