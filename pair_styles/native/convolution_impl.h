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

/* Where the vectors of a path's channels lie: groups are side by side among features and products,
   and apart among tables. */
template <class T> INLINE long among_tables(const PathGroups &path, int v)
{
  constexpr int EACH = GROUP / Vector<T>::lanes;
  return path.table + v / EACH * path.table_group + v % EACH * Vector<T>::lanes;
}
template <class T, int NPRODUCTS> INLINE long among_products(int v)
{
  constexpr int EACH = GROUP / Vector<T>::lanes;
  return (long) v / EACH * NPRODUCTS * GROUP + v % EACH * Vector<T>::lanes;
}

/* The radial weights of U vectors of channels. */
template <class T, int U>
INLINE void radial_of_edge(const T *factors, const T *tables, const long *at,
                           typename Vector<T>::V *r)
{
  for (int q = 0; q < 6; q++) {
    const typename Vector<T>::V w = typename Vector<T>::V{} + factors[(WEIGHTS + q) * FEW];
    for (int u = 0; u < U; u++) {
      const typename Vector<T>::V x = load(tables + at[u] + q * GROUP);
      r[u] = q ? r[u] + w * x : w * x;
    }
  }
}

/* U vectors of channels, the first of which is number v of the path's. */
template <class T, int N1, int N2, int U>
INLINE void sum_vectors(const Edges<T> &edges, const PathGroups &path, int v, T *products)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L2 = (N2 - 1) / 2;
  V sum[N1][N2][U];
  for (int m1 = 0; m1 < N1; m1++)
    for (int m2 = 0; m2 < N2; m2++)
      for (int u = 0; u < U; u++) sum[m1][m2][u] = V{};
  long at[U];
  for (int u = 0; u < U; u++) at[u] = among_tables<T>(path, v + u);
  const T *factors = edges.factors;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++)) {
    const T *h = edges.sent + edges.sent_at[e] + path.sent + v * W;
    V r[U], y[N2];
    radial_of_edge<T, U>(factors, edges.tables + edges.table_at[e], at, r);
    for (int m2 = 0; m2 < N2; m2++) y[m2] = V{} + factors[(HARMONICS + L2 * L2 + m2) * FEW];
    for (int m1 = 0; m1 < N1; m1++)
      for (int u = 0; u < U; u++) {
        const V x = r[u] * load(h + m1 * path.step + u * W);
        for (int m2 = 0; m2 < N2; m2++) sum[m1][m2][u] += x * y[m2];
      }
  }
  for (int u = 0; u < U; u++)
    for (int m1 = 0; m1 < N1; m1++)
      for (int m2 = 0; m2 < N2; m2++)
        store(products + among_products<T, N1 * N2>(v + u) + (m1 * N2 + m2) * GROUP,
              sum[m1][m2][u]);
}

/* The scalar products of features and harmonics of a degree, times radial weights. */
template <class T, int N, int U>
INLINE void dot_vectors(const Edges<T> &edges, const PathGroups &path, int v, T *products)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L = (N - 1) / 2;
  V sum[U];
  for (int u = 0; u < U; u++) sum[u] = V{};
  long at[U];
  for (int u = 0; u < U; u++) at[u] = among_tables<T>(path, v + u);
  const T *factors = edges.factors;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++)) {
    const T *h = edges.sent + edges.sent_at[e] + path.sent + v * W;
    V r[U], x[U];
    radial_of_edge<T, U>(factors, edges.tables + edges.table_at[e], at, r);
    for (int u = 0; u < U; u++) x[u] = V{};
    for (int m = 0; m < N; m++) {
      const V y = V{} + factors[(HARMONICS + L * L + m) * FEW];
      for (int u = 0; u < U; u++) x[u] += y * load(h + m * path.step + u * W);
    }
    for (int u = 0; u < U; u++) sum[u] += r[u] * x[u];
  }
  for (int u = 0; u < U; u++) store(products + among_products<T, 1>(v + u), sum[u]);
}

template <class T, int N1, int N2>
void sum_groups(const Edges<T> &edges, const PathGroups &path, T *products)
{
  // as many vectors as leave the sums in registers
  constexpr int U = N1 * N2 > 9 ? 1 : N1 * N2 > 5 ? 2 : 4;
  const int n = path.count * (GROUP / Vector<T>::lanes);
  int v = 0;
  for (; v + U <= n; v += U) sum_vectors<T, N1, N2, U>(edges, path, v, products);
  for (; v < n; v++) sum_vectors<T, N1, N2, 1>(edges, path, v, products);
}

template <class T, int N>
void dot_groups(const Edges<T> &edges, const PathGroups &path, T *products)
{
  constexpr int U = 4;
  const int n = path.count * (GROUP / Vector<T>::lanes);
  int v = 0;
  for (; v + U <= n; v += U) dot_vectors<T, N, U>(edges, path, v, products);
  for (; v < n; v++) dot_vectors<T, N, 1>(edges, path, v, products);
}

template <class T, int N1>
INLINE void sum_degree(const Edges<T> &edges, int l2, const PathGroups &path, T *products)
{
  switch (l2) {
  case 0:
    return sum_groups<T, N1, 1>(edges, path, products);
  case 1:
    return sum_groups<T, N1, 3>(edges, path, products);
  case 2:
    return sum_groups<T, N1, 5>(edges, path, products);
  default:
    return sum_groups<T, N1, 7>(edges, path, products);
  }
}

template <class T>
void sum(const Edges<T> &edges, int l1, int l2, const PathGroups &path, T *products)
{
  switch (l1) {
  case 0:
    return sum_degree<T, 1>(edges, l2, path, products);
  case 1:
    return sum_degree<T, 3>(edges, l2, path, products);
  case 2:
    return sum_degree<T, 5>(edges, l2, path, products);
  default:
    return sum_degree<T, 7>(edges, l2, path, products);
  }
}

template <class T> void dot(const Edges<T> &edges, int l, const PathGroups &path, T *products)
{
  switch (l) {
  case 0:
    return dot_groups<T, 1>(edges, path, products);
  case 1:
    return dot_groups<T, 3>(edges, path, products);
  case 2:
    return dot_groups<T, 5>(edges, path, products);
  default:
    return dot_groups<T, 7>(edges, path, products);
  }
}

/* All channels of one edge of a path to any degree. Adds to d what dE/dr gains, then what dE/dY
   gains, one number a lane; harmonics are taken for solid ones of degree l2 in what dE/dr gains:
   see forces of kernels_impl.h. */
template <class T, int N1, int N2, bool SENT>
INLINE void edge_backward(const PathGroups &path, const T *factors, const T *tables, const T *h,
                          T *dh, const T *gradient, typename Vector<T>::V *d)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L2 = (N2 - 1) / 2;
  V w[6], slope[6], y[N2], dr{}, t[N2];
  for (int q = 0; q < 6; q++) {
    w[q] = V{} + factors[(WEIGHTS + q) * FEW];
    slope[q] = V{} + factors[(SLOPES + q) * FEW];
  }
  const V power = V{} + L2 * factors[INVERSE_R * FEW];
  for (int m2 = 0; m2 < N2; m2++) y[m2] = V{} + factors[(HARMONICS + L2 * L2 + m2) * FEW];
  for (int m2 = 0; m2 < N2; m2++) t[m2] = V{};
  for (int g = 0; g < path.count; g++)
    for (int c = 0; c < GROUP; c += W) {
      const T *a = tables + g * path.table_group + c;
      const long at = (long) g * GROUP + c;
      V r{}, s{}, along{};
      for (int q = 0; q < 6; q++) {
        const V x = load(a + q * GROUP);
        r += w[q] * x;
        s += slope[q] * x;
      }
      if (L2 > 0) s -= power * r;
      const T *products = gradient + (long) g * N1 * N2 * GROUP + c;
      for (int m1 = 0; m1 < N1; m1++) {
        const V f = load(h + m1 * path.step + at), rf = r * f;
        V sum{};
        for (int m2 = 0; m2 < N2; m2++) {
          const V x = load(products + (m1 * N2 + m2) * GROUP);
          if (L2 > 0) t[m2] += rf * x;
          sum += y[m2] * x;
        }
        along += f * sum;
        if (SENT) store(dh + m1 * path.step + at, load(dh + m1 * path.step + at) + r * sum);
      }
      dr += s * along;
    }
  d[0] = dr;
  if (L2 > 0)
    for (int m2 = 0; m2 < N2; m2++) d[1 + m2] = t[m2];
}

/* The same of a path to scalars. */
template <class T, int N, bool SENT>
INLINE void edge_backward_of_dot(const PathGroups &path, const T *factors, const T *tables,
                                 const T *h, T *dh, const T *gradient, typename Vector<T>::V *d)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L = (N - 1) / 2;
  V w[6], slope[6], y[N], dr{}, t[N];
  for (int q = 0; q < 6; q++) {
    w[q] = V{} + factors[(WEIGHTS + q) * FEW];
    slope[q] = V{} + factors[(SLOPES + q) * FEW];
  }
  const V power = V{} + L * factors[INVERSE_R * FEW];
  for (int m = 0; m < N; m++) y[m] = V{} + factors[(HARMONICS + L * L + m) * FEW];
  for (int m = 0; m < N; m++) t[m] = V{};
  for (int g = 0; g < path.count; g++)
    for (int c = 0; c < GROUP; c += W) {
      const T *a = tables + g * path.table_group + c;
      const long at = (long) g * GROUP + c;
      const V x = load(gradient + at);
      V r{}, s{}, along{};
      for (int q = 0; q < 6; q++) {
        const V node = load(a + q * GROUP);
        r += w[q] * node;
        s += slope[q] * node;
      }
      if (L > 0) s -= power * r;
      const V rx = r * x;
      for (int m = 0; m < N; m++) {
        const V f = load(h + m * path.step + at);
        along += f * y[m];
        if (L > 0) t[m] += rx * f;
        if (SENT) store(dh + m * path.step + at, load(dh + m * path.step + at) + rx * y[m]);
      }
      dr += s * x * along;
    }
  d[0] = dr;
  if (L > 0)
    for (int m = 0; m < N; m++) d[1 + m] = t[m];
}

/* All edges. As many of them as fill a vector have their gradients summed over the lanes together:
   the sums take a tree of shuffles, which costs the same however few there are. */
template <class T, int N1, int N2, bool DOT, bool SENT>
void path_backward(Edges<T> &edges, const PathGroups &path, const T *gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L2 = (N2 - 1) / 2, LM = L2 * L2, NSUMS = L2 ? N2 + 1 : 1,
                TOGETHER = NSUMS < W ? W / NSUMS : 1, PADDED = (TOGETHER * NSUMS + W - 1) / W * W;
  const T *factors = edges.factors;
  for (int first = 0; first < edges.count; first += TOGETHER) {
    const int n = edges.count - first < TOGETHER ? edges.count - first : TOGETHER;
    V d[PADDED];
    for (int k = n * NSUMS; k < PADDED; k++) d[k] = V{};
    for (int k = 0; k < n; k++) {
      const int e = first + k;
      const T *a = edges.tables + edges.table_at[e] + path.table,
              *h = edges.sent + edges.sent_at[e] + path.sent;
      T *dh = SENT ? edges.sent_gradient + edges.sent_at[e] + path.sent : nullptr;
      if constexpr (DOT)
        edge_backward_of_dot<T, N2, SENT>(path, factors, a, h, dh, gradient, d + k * NSUMS);
      else
        edge_backward<T, N1, N2, SENT>(path, factors, a, h, dh, gradient, d + k * NSUMS);
      factors = after(factors, edges, e);
    }
    alignas(ALIGNMENT) T total[PADDED];
    for (int k = 0; k < PADDED; k += W) store(total + k, sums_of_lanes<T>(d + k));
    for (int k = 0; k < n; k++) {
      T *to = edges.gradient + 16 * (long) (first + k);
      to[0] += total[k * NSUMS];
      for (int m = 1; m < NSUMS; m++) to[LM + m - 1] += total[k * NSUMS + m];
    }
  }
}

template <class T, int N1, int N2, bool DOT>
INLINE void groups_backward(Edges<T> &edges, const PathGroups &path, const T *gradient,
                            bool sent_wanted)
{
  if (sent_wanted)
    path_backward<T, N1, N2, DOT, true>(edges, path, gradient);
  else
    path_backward<T, N1, N2, DOT, false>(edges, path, gradient);
}

template <class T, int N1>
INLINE void degree_backward(Edges<T> &edges, int l2, const PathGroups &path, const T *gradient,
                            bool sent_wanted)
{
  switch (l2) {
  case 0:
    return groups_backward<T, N1, 1, false>(edges, path, gradient, sent_wanted);
  case 1:
    return groups_backward<T, N1, 3, false>(edges, path, gradient, sent_wanted);
  case 2:
    return groups_backward<T, N1, 5, false>(edges, path, gradient, sent_wanted);
  default:
    return groups_backward<T, N1, 7, false>(edges, path, gradient, sent_wanted);
  }
}

template <class T>
void sum_backward(Edges<T> &edges, int l1, int l2, const PathGroups &path, const T *gradient,
                  bool sent_wanted)
{
  switch (l1) {
  case 0:
    return degree_backward<T, 1>(edges, l2, path, gradient, sent_wanted);
  case 1:
    return degree_backward<T, 3>(edges, l2, path, gradient, sent_wanted);
  case 2:
    return degree_backward<T, 5>(edges, l2, path, gradient, sent_wanted);
  default:
    return degree_backward<T, 7>(edges, l2, path, gradient, sent_wanted);
  }
}

template <class T>
void dot_backward(Edges<T> &edges, int l, const PathGroups &path, const T *gradient,
                  bool sent_wanted)
{
  switch (l) {
  case 0:
    return groups_backward<T, 1, 1, true>(edges, path, gradient, sent_wanted);
  case 1:
    return groups_backward<T, 3, 3, true>(edges, path, gradient, sent_wanted);
  case 2:
    return groups_backward<T, 5, 5, true>(edges, path, gradient, sent_wanted);
  default:
    return groups_backward<T, 7, 7, true>(edges, path, gradient, sent_wanted);
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
  static const ConvolutionKernels<T> kernels = {Vector<T>::lanes, sum<T>,          sum_backward<T>,
                                                dot<T>,           dot_backward<T>, combine<T>};
  return &kernels;
}

#undef INLINE
