// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_CONVOLUTION_KERNELS_H
#define LAMPLIGHTER_CONVOLUTION_KERNELS_H

#include "kernels.h"

namespace lamplighter {

/* The inner loops of a tensor-product convolution, for groups of channels of one path l1 x l2 ->
   l3, compiled once for each instruction set as those of kernels.h.

   What depends on the edge is the outer product of the neighbour's features and the harmonics,
   times a radial weight. Its sum over the edges is coupled to l3 by constants, once for the atom.
   The way back begins with these constants, so that an edge only meets the gradient of the outer
   product. */

/* out[to] += value * in[from]: a constant coefficient of a sparse map. Sorted by `to`. */
struct SparseTerm {
  int from, to;
  double value;
};

/* Groups of channels of one path that are treated together: numbers among the arrays of Edges. */
struct PathGroups {
  int count;
  long table, table_group;    // of the first group ([row][GROUP], table_at is the first of six
                              // rows), and from one to the next
  int sent, step;             // the features, and from one m1 to the next
};

template <class T> struct ConvolutionKernels {
  int lanes;

  /* products[group][m1][m2][GROUP] = sum over edges of radial * sent[m1] * Y[l2, m2]. */
  void (*sum)(const Edges<T> &, int l1, int l2, const PathGroups &, T *products);

  /* Its adjoint. Adds to the edges' gradients, as kernels.h has them, and to those of the features
     that were sent, if they are wanted. */
  void (*sum_backward)(Edges<T> &, int l1, int l2, const PathGroups &, const T *products_gradient,
                       bool sent_wanted);

  /* The same for paths to scalars, where l1 = l2 and all products but those with m1 = m2 come to
     nothing: products[group][GROUP] = sum over edges of radial * (sent . Y[l]). */
  void (*dot)(const Edges<T> &, int l, const PathGroups &, T *products);
  void (*dot_backward)(Edges<T> &, int l, const PathGroups &, const T *products_gradient,
                       bool sent_wanted);

  /* out[to][GROUP] = sum over terms of value * in[from][GROUP], for all `to` below nout. */
  void (*combine)(const SparseTerm *, int nterms, int nout, const T *in, long in_step, T *out,
                  long out_step);
};

/* Null where the compiler or the processor lacks the instruction set. */
const ConvolutionKernels<float> *convolution_baseline_float();
const ConvolutionKernels<double> *convolution_baseline_double();
const ConvolutionKernels<float> *convolution_avx2_float();
const ConvolutionKernels<double> *convolution_avx2_double();
const ConvolutionKernels<float> *convolution_avx512_float();
const ConvolutionKernels<double> *convolution_avx512_double();

/* Those of the instruction set that best_kernels names. */
template <class T> const ConvolutionKernels<T> &convolution_kernels(const char *name);

}    // namespace lamplighter

#endif
