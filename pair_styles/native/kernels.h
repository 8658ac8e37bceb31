// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_KERNELS_H
#define LAMPLIGHTER_KERNELS_H

namespace lamplighter {

/* The inner loops of the MACE evaluator, in float or double arithmetic, compiled once for each
   instruction set. They work on rows of channels that are padded to whole vectors and aligned to 64
   bytes, and use nothing but raw arrays, so that no code compiled for one processor can be linked
   into another's. */

constexpr int ALIGNMENT = 64;    // bytes

/* The neighbours of one atom. Arrays have room for `capacity` edges (a multiple of 16). */
template <class T> struct Edges {
  int count, capacity;
  double *dx, *dy, *dz;    // x_j - x_i, Angstrom
  T *ux, *uy, *uz, *inverse_r;
  T *harmonics;             // [lm][capacity] real spherical harmonics, component normalised
  T *harmonics_gradient;    // [lm][capacity] out of the backward pass: dE / dY_lm
  T *weights, *slopes;      // [6][capacity] of the quintic interpolation
  int *interval;
  const T **table;    // the radial table of each edge's pair of species
  const T **sent;     // features of each neighbour
  T **sent_gradient;
  T *radial, *radial_slope;           // [edge][paths * channels]
  T *radial_gradient;                 // out: dE/dr through the radial functions
  T *coupling, *coupling_gradient;    // [edge][nonscalar couplings]
  double *fx, *fy, *fz;               // out: dE / d(x_j - x_i)
};

/* A path whose neighbours' features are not scalars. */
struct VectorPath {
  int n1, n3;           // 2 l1 + 1, 2 l3 + 1
  int sent_row;         // first row of the features
  int radial_row;       // which radial function
  int sum_row, step;    // first row of the sums, and rows between one m3 and the next
  int coupling;         // first number of its matrix [n1][n3]
};

/* coupling[target] += value * harmonics[lm] */
struct CouplingTerm {
  int target, lm;
  double value;
};

template <class T> struct Kernels {
  int lanes;    // numbers in a vector

  /* Unit vectors, harmonics up to l_max and interpolation weights of all edges. */
  void (*geometry)(Edges<T> &, int l_max, double start, double spacing, int intervals);

  /* The first `width` radial functions; `slopes` too if wanted. A table's node holds, for every
     vector of channels, values, slopes and curvatures: [3][lanes]. */
  void (*radial)(Edges<T> &, int width, int node_size, bool slopes);

  /* sums[lm][channels] = sum over edges of radial[l] * sent * Y_lm, for scalar features. `row`
     gives where the rows of degree l begin, `step` the rows between one m and the next. */
  void (*sum_scalar)(const Edges<T> &, int l_max, const int *row, const int *step, int width,
                     int channels, T *sums);
  void (*sum_scalar_backward)(Edges<T> &, int l_max, const int *row, const int *step, int width,
                              int channels, const T *sums_gradient, bool sent_wanted);

  /* The same for features of any degree, added to what is there. */
  void (*sum_vector)(Edges<T> &, const VectorPath *, int npaths, const CouplingTerm *, int nterms,
                     int ncouplings, int width, int channels, T *sums);
  void (*sum_vector_backward)(Edges<T> &, const VectorPath *, int npaths, const CouplingTerm *,
                              int nterms, int ncouplings, int width, int channels,
                              const T *sums_gradient);

  /* dE / d(x_j - x_i) of all edges from the gradients of harmonics and radial functions. */
  void (*forces)(Edges<T> &, int l_max);

  /* out[m][n] (+)= sum over k of in[m][k] * matrix[k][n], `nout` a multiple of the lanes. */
  void (*linear)(int nrows, int nin, int nout, const T *in, int in_stride, const T *matrix, T *out,
                 int out_stride, bool add);

  /* A polynomial of the rows of x for one vector of channels: its value and, if `gradient` is not
     null, seed times its derivative with respect to each row, added. */
  void (*polynomial)(const int *program, const T *coefficients, int nrows, const T *x, int stride,
                     T *value, const T *seed, T *gradient);
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
