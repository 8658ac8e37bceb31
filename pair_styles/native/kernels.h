// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_KERNELS_H
#define LAMPLIGHTER_KERNELS_H

namespace lamplighter {

/* The inner loops of the MACE evaluator, in float or double arithmetic, compiled once for each
   instruction set. They work on rows of channels that are padded to whole vectors and aligned to 64
   bytes, and use nothing but raw arrays, so that no code compiled for one processor can be linked
   into another's. */

constexpr int ALIGNMENT = 64;    // bytes

/* Channels that are treated together; rows are padded to a multiple of it. */
constexpr int GROUP = 16;

/* Channels whose sums over edges are made together, of so many padded ones: two vectors at least,
   where there are so many, so that less is summed over lanes. */
inline int group_of(int channels, int lanes)
{
  return lanes == GROUP && channels % (2 * GROUP) == 0 ? 2 * GROUP : GROUP;
}

/* What follows from the geometry of an edge, its factors: weights of the spline's coefficients for
   value and slope of the radial functions, 1 / r, spherical harmonics (component normalised). They
   are made for FEW edges at a time and stay as they are made: the same factor of FEW edges side by
   side, so that the next factor of an edge is FEW numbers further on. */
constexpr int WEIGHTS = 0, SLOPES = 6, INVERSE_R = 12, HARMONICS = 13;
constexpr int FEW = 16;

/* Where the nodes of the splines are: evenly spaced in u = r / (1 + bend r), so that they are
   denser at short distances, where radial functions are least smooth and few neighbours are; evenly
   in r where bend (1/A) is 0. */
struct Nodes {
  double start, spacing;    // of u, Angstrom
  double bend;
  int intervals;
};

/* The neighbours of one atom. Arrays have room for `capacity` edges (a multiple of 16). */
template <class T> struct Edges {
  int count, capacity;
  double *dx, *dy, *dz;    // x_j - x_i, Angstrom
  T *ux, *uy, *uz;
  int *interval;    // of the radial tables
  int nfactors;     // of an edge
  T *factors;       // [edge / FEW][factor][edge % FEW]
  T *gradient;      // [edge][16] out of the backward pass: dE/dr, and dE/dY_lm from lm = 1 on
  // Where the edge finds its own in the arrays below: its species' table at its interval, for paths
  // from scalars ([group][coefficient][l][channel]) and from vectors
  // ([path][coefficient][channels]), and its neighbour's features. The same for all members of a
  // committee.
  long *table_at, *vector_table_at, *sent_at;
  long table_group;    // from one group to the next
  const T *tables, *sent;
  T *sent_gradient;
  T *coupling;             // of a path from vectors: [edge / FEW][n1 * n3][edge % FEW]
  double *fx, *fy, *fz;    // out: dE / d(x_j - x_i)
};

/* A path whose neighbours' features are not scalars. */
struct VectorPath {
  int n1, n2, n3;       // 2 l1 + 1, 2 l2 + 1, 2 l3 + 1; n1 at most 5, the others at most 7
  int sent_row;         // first row of the features
  int table_row;        // first row of its table among those of all such paths
  int sum_row, step;    // first row of the sums, and rows between one m3 and the next
  int first_term, nterms;
};

/* A constant that couples component m1 of the features and m2 of the harmonics to m3 of the sums.
 */
struct CouplingTerm {
  int m1, m2, m3;
  double value;
};

template <class T> struct Kernels {
  int lanes;    // numbers in a vector

  /* Unit vectors, harmonics up to l_max and weights of the splines of all edges. */
  void (*geometry)(Edges<T> &, int l_max, const Nodes &);

  /* sums[lm][channels] = sum over edges of radial[l] * sent * Y_lm, for scalar features and the
     `group` of channels that begins at `first`. `row` gives where the rows of degree l begin,
     `step` the rows between one m and the next. */
  void (*sum_scalar)(const Edges<T> &, int group, int l_max, const int *row, const int *step,
                     int first, int channels, T *sums);
  /* Sets the edges' gradients at the first group and adds to them at the others. */
  void (*sum_scalar_backward)(Edges<T> &, int group, int l_max, const int *row, const int *step,
                              int first, int channels, const T *sums_gradient, bool sent_wanted);

  /* The same for a path from features of degree 1 or 2, and all channels; `terms` are its own. */
  void (*sum_vector)(const Edges<T> &, const VectorPath &, const CouplingTerm *terms, int channels,
                     T *sums);
  /* Adds to the edges' gradients. `products` has room for the gradient of the products of features
     and harmonics: [n1][n2][channels]. */
  void (*sum_vector_backward)(Edges<T> &, const VectorPath &, const CouplingTerm *terms,
                              int channels, const T *sums_gradient, T *products);

  /* dE / d(x_j - x_i) of all edges from the gradients of harmonics and radial functions. */
  void (*forces)(Edges<T> &, int l_max);

  /* out[m][n] (+)= sum over k of in[m][k] * matrix[k][n], `nout` a multiple of the lanes; rows may
     lie anywhere. */
  void (*linear)(int nrows, int nin, int nout, const T *const *in, const T *matrix, T *const *out,
                 bool add);

  /* out[m] = |R in[m]|^2 of a triangular R, whose columns of GROUP axes stand one after another:
     sum over axes i of (sum over k >= i of R_ik in[m][k])^2. The axes that begin at `n` need
     in[n] ... in[nin - 1] alone: [nin - n][GROUP]. */
  void (*squared_length)(int nrows, int nin, int naxes, const T *const *in, const T *factor,
                         T *out);

  /* A polynomial of the rows of x for one or two vectors of channels, whose coefficients begin
     `next` numbers apart: its value and, if `gradient` is not null, seed times its derivative with
     respect to each row, added. */
  void (*polynomial)(int nvectors, const int *program, const T *coefficients, long next, int nrows,
                     const T *x, int stride, T *value, const T *seed, T *gradient);
};

/* Null where the compiler or the processor lacks the instruction set. */
const Kernels<float> *kernels_baseline_float();
const Kernels<double> *kernels_baseline_double();
const Kernels<float> *kernels_avx2_float();
const Kernels<double> *kernels_avx2_double();
const Kernels<float> *kernels_avx512_float();
const Kernels<double> *kernels_avx512_double();

/* The fastest of them for this processor, or the one that the environment variable LAMPLIGHTER_SIMD
   names (baseline, avx2, avx512); `name` tells which. Throws std::runtime_error if that one cannot
   run here. */
template <class T> const Kernels<T> &best_kernels(const char **name);

}    // namespace lamplighter

#endif
