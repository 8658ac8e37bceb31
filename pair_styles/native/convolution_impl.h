/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inner loops of convolutions, included by one source file for each instruction set after it
   set LAMPLIGHTER_VECTOR_BYTES and opened a namespace of its own. No include guard, and no standard
   library: see kernels.h. */

#include "vectors_impl.h"

/* The factors of the next edge. */
template <class T> INLINE const T *after(const T *factors, const Edges<T> &edges, int e)
{
  return factors + (e % FEW == FEW - 1 ? (long) FEW * edges.nfactors - (FEW - 1) : 1);
}

/* U vectors of channels. */
template <class T, int N1, int N2, int U>
INLINE void sum_vectors(const Edges<T> &edges, long table, long sent, long step, T *products)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L2 = (N2 - 1) / 2;
  V sum[N1][N2][U];
  for (int m1 = 0; m1 < N1; m1++)
    for (int m2 = 0; m2 < N2; m2++)
      for (int u = 0; u < U; u++) sum[m1][m2][u] = V{};
  const T *factors = edges.factors;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++)) {
    const T *a = edges.tables + edges.table_at[e] + table,
            *h = edges.sent + edges.sent_at[e] + sent;
    V r[U], y[N2];
    for (int u = 0; u < U; u++) r[u] = factors[WEIGHTS * FEW] * load(a + u * W);
    for (int q = 1; q < 6; q++)
      for (int u = 0; u < U; u++)
        r[u] += factors[(WEIGHTS + q) * FEW] * load(a + q * GROUP + u * W);
    for (int m2 = 0; m2 < N2; m2++) y[m2] = V{} + factors[(HARMONICS + L2 * L2 + m2) * FEW];
    for (int m1 = 0; m1 < N1; m1++)
      for (int u = 0; u < U; u++) {
        const V x = r[u] * load(h + m1 * step + u * W);
        for (int m2 = 0; m2 < N2; m2++) sum[m1][m2][u] += x * y[m2];
      }
  }
  for (int m1 = 0; m1 < N1; m1++)
    for (int m2 = 0; m2 < N2; m2++)
      for (int u = 0; u < U; u++) store(products + (m1 * N2 + m2) * GROUP + u * W, sum[m1][m2][u]);
}

template <class T, int N1, int N2>
void sum_group(const Edges<T> &edges, long table, long sent, long step, T *products)
{
  // as many vectors as leave the sums in registers
  constexpr int W = Vector<T>::lanes, MOST = GROUP / W,
                WANTED = N1 * N2 > 9 ? 1
      : N1 * N2 > 3                  ? 2
                                     : 4,
                U = WANTED < MOST ? WANTED : MOST;
  for (int c = 0; c < GROUP; c += U * W)
    sum_vectors<T, N1, N2, U>(edges, table + c, sent + c, step, products + c);
}

template <class T, int N1>
INLINE void sum_degree(const Edges<T> &edges, int l2, long table, long sent, long step, T *products)
{
  switch (l2) {
  case 0:
    return sum_group<T, N1, 1>(edges, table, sent, step, products);
  case 1:
    return sum_group<T, N1, 3>(edges, table, sent, step, products);
  case 2:
    return sum_group<T, N1, 5>(edges, table, sent, step, products);
  default:
    return sum_group<T, N1, 7>(edges, table, sent, step, products);
  }
}

template <class T>
void sum(const Edges<T> &edges, int l1, int l2, long table, long sent, long step, T *products)
{
  switch (l1) {
  case 0:
    return sum_degree<T, 1>(edges, l2, table, sent, step, products);
  case 1:
    return sum_degree<T, 3>(edges, l2, table, sent, step, products);
  case 2:
    return sum_degree<T, 5>(edges, l2, table, sent, step, products);
  default:
    return sum_degree<T, 7>(edges, l2, table, sent, step, products);
  }
}

/* Harmonics are taken for solid ones of degree l2 in what dE/dr gains: see forces of
 * kernels_impl.h.
 */
template <class T, int N1, int N2, bool SENT>
void group_backward(Edges<T> &edges, long table, long sent, long step, const T *products_gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L2 = (N2 - 1) / 2, LM = L2 * L2;
  constexpr int NSUMS = L2 ? N2 + 1 : 1, PADDED = (NSUMS + W - 1) / W * W;
  const T *factors = edges.factors;
  T *gradient = edges.gradient;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++), gradient += 16) {
    const T *a = edges.tables + edges.table_at[e] + table,
            *h = edges.sent + edges.sent_at[e] + sent;
    T *dh = SENT ? edges.sent_gradient + edges.sent_at[e] + sent : nullptr;
    V y[N2], d[PADDED];    // dE/dr, then dE/dY
    for (int m2 = 0; m2 < N2; m2++) y[m2] = V{} + factors[(HARMONICS + LM + m2) * FEW];
    for (int k = 0; k < PADDED; k++) d[k] = V{};
    for (int c = 0; c < GROUP; c += W) {
      V r{}, s{}, t[N2], along{};
      for (int q = 0; q < 6; q++) {
        const V x = load(a + q * GROUP + c);
        r += factors[(WEIGHTS + q) * FEW] * x;
        s += factors[(SLOPES + q) * FEW] * x;
      }
      if (L2 > 0) s -= (L2 * factors[INVERSE_R * FEW]) * r;
      for (int m2 = 0; m2 < N2; m2++) t[m2] = V{};
      for (int m1 = 0; m1 < N1; m1++) {
        const V f = load(h + m1 * step + c);
        V g{};
        for (int m2 = 0; m2 < N2; m2++) {
          const V x = load(products_gradient + (m1 * N2 + m2) * GROUP + c);
          if (L2 > 0) t[m2] += f * x;
          g += y[m2] * x;
        }
        along += f * g;
        if (SENT) store(dh + m1 * step + c, load(dh + m1 * step + c) + r * g);
      }
      d[0] += s * along;
      if (L2 > 0)
        for (int m2 = 0; m2 < N2; m2++) d[1 + m2] += r * t[m2];
    }
    for (int k = 0; k < NSUMS; k += W) {
      const V total = sums_of_lanes<T>(d + k);
      for (int n = 0; n < W && k + n < NSUMS; n++) gradient[k + n ? LM + k + n - 1 : 0] += total[n];
    }
  }
}

template <class T, int N1, int N2>
INLINE void path_backward(Edges<T> &edges, long table, long sent, long step,
                          const T *products_gradient, bool sent_wanted)
{
  if (sent_wanted)
    group_backward<T, N1, N2, true>(edges, table, sent, step, products_gradient);
  else
    group_backward<T, N1, N2, false>(edges, table, sent, step, products_gradient);
}

template <class T, int N1>
INLINE void degree_backward(Edges<T> &edges, int l2, long table, long sent, long step,
                            const T *products_gradient, bool sent_wanted)
{
  switch (l2) {
  case 0:
    return path_backward<T, N1, 1>(edges, table, sent, step, products_gradient, sent_wanted);
  case 1:
    return path_backward<T, N1, 3>(edges, table, sent, step, products_gradient, sent_wanted);
  case 2:
    return path_backward<T, N1, 5>(edges, table, sent, step, products_gradient, sent_wanted);
  default:
    return path_backward<T, N1, 7>(edges, table, sent, step, products_gradient, sent_wanted);
  }
}

template <class T>
void sum_backward(Edges<T> &edges, int l1, int l2, long table, long sent, long step,
                  const T *products_gradient, bool sent_wanted)
{
  switch (l1) {
  case 0:
    return degree_backward<T, 1>(edges, l2, table, sent, step, products_gradient, sent_wanted);
  case 1:
    return degree_backward<T, 3>(edges, l2, table, sent, step, products_gradient, sent_wanted);
  case 2:
    return degree_backward<T, 5>(edges, l2, table, sent, step, products_gradient, sent_wanted);
  default:
    return degree_backward<T, 7>(edges, l2, table, sent, step, products_gradient, sent_wanted);
  }
}

template <class T>
void combine(const SparseTerm *terms, int nterms, int nout, const T *in, long in_step, T *out,
             long out_step)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, U = GROUP / W;
  int k = 0;
  for (int to = 0; to < nout; to++) {
    V sum[U];
    for (int u = 0; u < U; u++) sum[u] = V{};
    for (; k < nterms && terms[k].to == to; k++) {
      const T value = (T) terms[k].value;
      const T *from = in + terms[k].from * in_step;
      for (int u = 0; u < U; u++) sum[u] += value * load(from + u * W);
    }
    for (int u = 0; u < U; u++) store(out + to * out_step + u * W, sum[u]);
  }
}

template <class T> const ConvolutionKernels<T> *table()
{
  static const ConvolutionKernels<T> kernels = {Vector<T>::lanes, sum<T>, sum_backward<T>,
                                                combine<T>};
  return &kernels;
}

#undef INLINE
