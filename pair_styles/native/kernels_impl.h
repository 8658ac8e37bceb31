// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops, included by one source file for each instruction set after it set
   LAMPLIGHTER_VECTOR_BYTES and opened a namespace of its own. No include guard, and no standard
   library: see kernels.h. */

#include "vectors_impl.h"

/* ---------------------------------------------------------------------- */

/* Real spherical harmonics of the unit vector (x, y, z), normalised to a mean square of 1 per
   component, with y as the polar axis: the convention of e3nn. */
template <class T>
INLINE void harmonics_up_to(int l_max, int n, int stride, const T *__restrict ux,
                            const T *__restrict uy, const T *__restrict uz, T *__restrict Y)
{
  const T s3 = (T) 1.7320508075688772, s5 = (T) 2.23606797749979, s15 = (T) 3.872983346207417;
  const T s7 = (T) 2.6457513110645907, s21_8 = (T) 1.620185174601965, s35_8 = (T) 2.091650066335189,
          s105 = (T) 10.246950765959598;
  for (int e = 0; e < n; e++) Y[e] = 1;
  if (l_max < 1) return;
  T *__restrict Y1 = Y + stride;
  for (int e = 0; e < n; e++) {
    Y1[e] = s3 * ux[e];
    Y1[stride + e] = s3 * uy[e];
    Y1[2 * stride + e] = s3 * uz[e];
  }
  if (l_max < 2) return;
  T *__restrict Y2 = Y + 4 * stride;
  for (int e = 0; e < n; e++) {
    const T x = ux[e], y = uy[e], z = uz[e];
    Y2[e] = s15 * x * z;
    Y2[stride + e] = s15 * x * y;
    Y2[2 * stride + e] = s5 * (y * y - (T) 0.5 * (x * x + z * z));
    Y2[3 * stride + e] = s15 * y * z;
    Y2[4 * stride + e] = (T) 0.5 * s15 * (z * z - x * x);
  }
  if (l_max < 3) return;
  T *__restrict Y3 = Y + 9 * stride;
  for (int e = 0; e < n; e++) {
    const T x = ux[e], y = uy[e], z = uz[e], x2 = x * x, y2 = y * y, z2 = z * z;
    const T a = 4 * y2 - x2 - z2;
    Y3[e] = s35_8 * x * (3 * z2 - x2);
    Y3[stride + e] = s105 * x * y * z;
    Y3[2 * stride + e] = s21_8 * x * a;
    Y3[3 * stride + e] = (T) 0.5 * s7 * y * (2 * y2 - 3 * (x2 + z2));
    Y3[4 * stride + e] = s21_8 * z * a;
    Y3[5 * stride + e] = (T) 0.5 * s105 * y * (z2 - x2);
    Y3[6 * stride + e] = s35_8 * z * (z2 - 3 * x2);
  }
}

template <class T> INLINE T *factors_of(const Edges<T> &edges, int e)
{
  return edges.factors + (long) (e / FEW) * FEW * edges.nfactors + e % FEW;
}

/* The factors of the next edge. */
template <class T> INLINE const T *after(const T *factors, const Edges<T> &edges, int e)
{
  return factors + (e % FEW == FEW - 1 ? (long) FEW * edges.nfactors - (FEW - 1) : 1);
}

template <class T> void geometry(Edges<T> &edges, int l_max, const Nodes &nodes)
{
  const double start = nodes.start, per_spacing = 1.0 / nodes.spacing, bend = nodes.bend;
  const int intervals = nodes.intervals;
  alignas(64) double position[FEW];
  alignas(64) T t_of[FEW], steepness[FEW], x[FEW], y[FEW], z[FEW];
  for (int begin = 0; begin < edges.count; begin += FEW) {
    const double *dx = edges.dx + begin, *dy = edges.dy + begin, *dz = edges.dz + begin;
    T *factors = factors_of(edges, begin);
    for (int k = 0; k < FEW; k++) {
      const double r = __builtin_sqrt(dx[k] * dx[k] + dy[k] * dy[k] + dz[k] * dz[k]);
      const double inverse = 1.0 / r;
      x[k] = (T) (dx[k] * inverse);
      y[k] = (T) (dy[k] * inverse);
      z[k] = (T) (dz[k] * inverse);
      factors[INVERSE_R * FEW + k] = (T) inverse;
      const double bent = 1.0 / (1.0 + bend * r);
      position[k] = (r * bent - start) * per_spacing;
      steepness[k] = (T) (per_spacing / 24.0 * bent * bent);
    }
    int *interval = edges.interval + begin;
    for (int k = 0; k < FEW; k++) {
      int here = (int) position[k];
      here = here < 0 ? 0 : here;
      here = here > intervals - 1 ? intervals - 1 : here;
      interval[k] = here;
      t_of[k] = (T) (position[k] - here);
    }
    for (int k = 0; k < FEW; k++) {
      edges.ux[begin + k] = x[k];
      edges.uy[begin + k] = y[k];
      edges.uz[begin + k] = z[k];
    }
    T *weights = factors + WEIGHTS * FEW, *slopes = factors + SLOPES * FEW;
    for (int k = 0; k < FEW; k++) {
      const T t = t_of[k];
      const T u = 1 - t, t2 = t * t, t3 = t2 * t, t4 = t2 * t2, u2 = u * u, u4 = u2 * u2;
      const T c = (T) (1.0 / 120.0), s = steepness[k];
      weights[k] = c * u4 * u;
      weights[FEW + k] = c * (26 - 50 * t + 20 * (t2 + t3) - 20 * t4 + 5 * t4 * t);
      weights[2 * FEW + k] = c * (66 - 60 * t2 + 30 * t4 - 10 * t4 * t);
      weights[3 * FEW + k] = c * (26 + 50 * t + 20 * (t2 - t3) - 20 * t4 + 10 * t4 * t);
      weights[4 * FEW + k] = c * (1 + 5 * (t + t4) + 10 * (t2 + t3) - 5 * t4 * t);
      weights[5 * FEW + k] = c * t4 * t;
      slopes[k] = -s * u4;
      slopes[FEW + k] = s * (-10 + 8 * t + 12 * t2 - 16 * t3 + 5 * t4);
      slopes[2 * FEW + k] = s * (-24 * t + 24 * t3 - 10 * t4);
      slopes[3 * FEW + k] = s * (10 + 8 * t - 12 * t2 - 16 * t3 + 10 * t4);
      slopes[4 * FEW + k] = s * (1 + 4 * (t + t3) + 6 * t2 - 5 * t4);
      slopes[5 * FEW + k] = s * t4;
    }
    harmonics_up_to(l_max, FEW, FEW, x, y, z, factors + HARMONICS * FEW);
  }
}

/* ---------------------------------------------------------------------- */

/* The sums of U vectors of one degree; the radial function is made on the spot. */
template <class T, int L, int LMAX, int U, int G>
INLINE void sum_vectors(const Edges<T> &edges, int first, long table_offset, int step, T *sums)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, M = 2 * L + 1, ROW = (LMAX + 1) * G;
  V sum[M][U];
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) sum[m][u] = V{};
  const T *factors = edges.factors;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++)) {
    const T *table = edges.tables + edges.table_at[e] + table_offset + L * G,
            *sent = edges.sent + edges.sent_at[e] + first;
    V x[U];
    for (int u = 0; u < U; u++) x[u] = factors[WEIGHTS * FEW] * load(table + u * W);
    for (int q = 1; q < 6; q++)
      for (int u = 0; u < U; u++)
        x[u] += factors[(WEIGHTS + q) * FEW] * load(table + q * ROW + u * W);
    for (int u = 0; u < U; u++) x[u] *= load(sent + u * W);
    for (int m = 0; m < M; m++)
      for (int u = 0; u < U; u++) sum[m][u] += x[u] * factors[(HARMONICS + L * L + m) * FEW];
  }
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) store(sums + (long) m * step + u * W, sum[m][u]);
}

template <class T, int L, int LMAX, int G>
INLINE void sum_degree(const Edges<T> &edges, int row, int step, int first, int channels, T *sums)
{
  constexpr int W = Vector<T>::lanes, MOST = G / W, WANTED = L < 2 ? 4 : 2,
                U = WANTED < MOST ? WANTED : MOST;
  const long group = edges.table_group * (first / G);
  for (int c = 0; c < G; c += U * W)
    sum_vectors<T, L, LMAX, U, G>(edges, first + c, group + c, step * channels,
                                  sums + (long) row * channels + first + c);
}

template <class T, int LMAX, int G>
void sum_degrees(const Edges<T> &edges, const int *row, const int *step, int first, int channels,
                 T *sums)
{
  sum_degree<T, 0, LMAX, G>(edges, row[0], step[0], first, channels, sums);
  if constexpr (LMAX > 0) sum_degree<T, 1, LMAX, G>(edges, row[1], step[1], first, channels, sums);
  if constexpr (LMAX > 1) sum_degree<T, 2, LMAX, G>(edges, row[2], step[2], first, channels, sums);
  if constexpr (LMAX > 2) sum_degree<T, 3, LMAX, G>(edges, row[3], step[3], first, channels, sums);
}

template <class T, int G>
INLINE void sum_group(const Edges<T> &edges, int l_max, const int *row, const int *step, int first,
                      int channels, T *sums)
{
  switch (l_max) {
  case 0:
    return sum_degrees<T, 0, G>(edges, row, step, first, channels, sums);
  case 1:
    return sum_degrees<T, 1, G>(edges, row, step, first, channels, sums);
  case 2:
    return sum_degrees<T, 2, G>(edges, row, step, first, channels, sums);
  default:
    return sum_degrees<T, 3, G>(edges, row, step, first, channels, sums);
  }
}

/* One degree of one edge and U vectors of channels, whose neighbour has the features f. Adds to
   d[lm] what dE/dY_lm gains, one number a lane, and to d[0], where dE/dY would be of no use, what
   dE/dr gains, with the harmonics taken for solid ones of degree l (see forces); to df what dE/df
   gains. */
template <class T, int L, int LMAX, int U, int G>
INLINE void degree_backward(const T *factors, const T *table, const T *sums_gradient, long step,
                            const typename Vector<T>::V *f, typename Vector<T>::V *df,
                            typename Vector<T>::V *d)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, M = 2 * L + 1, ROW = (LMAX + 1) * G;
  V r[U], s[U], x[U], g[U];
  for (int u = 0; u < U; u++) r[u] = s[u] = g[u] = V{};
  for (int q = 0; q < 6; q++)
    for (int u = 0; u < U; u++) {
      const V a = load(table + q * ROW + L * G + u * W);
      r[u] += factors[(WEIGHTS + q) * FEW] * a;
      s[u] += factors[(SLOPES + q) * FEW] * a;
    }
  for (int u = 0; u < U; u++) {
    x[u] = r[u] * f[u];
    if (L > 0) s[u] -= (L * factors[INVERSE_R * FEW]) * r[u];
  }
  for (int m = 0; m < M; m++) {
    const T y = factors[(HARMONICS + L * L + m) * FEW];
    for (int u = 0; u < U; u++) {
      const V a = load(sums_gradient + m * step + u * W);
      g[u] += a * y;
      if (L > 0) d[L * L + m] += a * x[u];
    }
  }
  for (int u = 0; u < U; u++) {
    d[0] += s[u] * (f[u] * g[u]);
    df[u] += r[u] * g[u];
  }
}

template <class T, int LMAX, int G, bool SENT>
void degrees_backward(Edges<T> &edges, const int *row, const int *step, int first, int channels,
                      const T *sums_gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, MOST = G / W, U = MOST < 4 ? MOST : 4;
  constexpr int NLM = (LMAX + 1) * (LMAX + 1);
  const long group = edges.table_group * (first / G);
  const T *g[LMAX + 1];
  long steps[LMAX + 1];
  for (int l = 0; l <= LMAX; l++) {
    g[l] = sums_gradient + (long) row[l] * channels + first;
    steps[l] = (long) step[l] * channels;
  }
  const T *factors = edges.factors;
  T *gradient = edges.gradient;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++), gradient += 16) {
    const T *table = edges.tables + edges.table_at[e] + group,
            *h = edges.sent + edges.sent_at[e] + first;
    V d[16];
    for (int k = 0; k < 16; k++) d[k] = V{};
    for (int c = 0; c < G; c += U * W) {
      V f[U], df[U];
      for (int u = 0; u < U; u++) {
        f[u] = load(h + c + u * W);
        df[u] = V{};
      }
      degree_backward<T, 0, LMAX, U, G>(factors, table + c, g[0] + c, steps[0], f, df, d);
      if constexpr (LMAX > 0)
        degree_backward<T, 1, LMAX, U, G>(factors, table + c, g[1] + c, steps[1], f, df, d);
      if constexpr (LMAX > 1)
        degree_backward<T, 2, LMAX, U, G>(factors, table + c, g[2] + c, steps[2], f, df, d);
      if constexpr (LMAX > 2)
        degree_backward<T, 3, LMAX, U, G>(factors, table + c, g[3] + c, steps[3], f, df, d);
      if (SENT) {
        T *dh = edges.sent_gradient + edges.sent_at[e] + first + c;
        for (int u = 0; u < U; u++) store(dh + u * W, load(dh + u * W) + df[u]);
      }
    }
    for (int k = 0; k < NLM; k += W) {
      const V total = sums_of_lanes<T>(d + k);
      store(gradient + k, first ? load(gradient + k) + total : total);
    }
  }
}

template <class T, int G, bool SENT>
INLINE void scalar_backward(Edges<T> &edges, int l_max, const int *row, const int *step, int first,
                            int channels, const T *sums_gradient)
{
  switch (l_max) {
  case 0:
    return degrees_backward<T, 0, G, SENT>(edges, row, step, first, channels, sums_gradient);
  case 1:
    return degrees_backward<T, 1, G, SENT>(edges, row, step, first, channels, sums_gradient);
  case 2:
    return degrees_backward<T, 2, G, SENT>(edges, row, step, first, channels, sums_gradient);
  default:
    return degrees_backward<T, 3, G, SENT>(edges, row, step, first, channels, sums_gradient);
  }
}

template <class T>
void sum_scalar(const Edges<T> &edges, int group, int l_max, const int *row, const int *step,
                int first, int channels, T *sums)
{
  if constexpr (Vector<T>::lanes == GROUP)
    if (group == 2 * GROUP)
      return sum_group<T, 2 * GROUP>(edges, l_max, row, step, first, channels, sums);
  sum_group<T, GROUP>(edges, l_max, row, step, first, channels, sums);
}

template <class T, int G>
INLINE void group_backward(Edges<T> &edges, int l_max, const int *row, const int *step, int first,
                           int channels, const T *sums_gradient, bool sent_wanted)
{
  if (sent_wanted)
    scalar_backward<T, G, true>(edges, l_max, row, step, first, channels, sums_gradient);
  else
    scalar_backward<T, G, false>(edges, l_max, row, step, first, channels, sums_gradient);
}

template <class T>
void sum_scalar_backward(Edges<T> &edges, int group, int l_max, const int *row, const int *step,
                         int first, int channels, const T *sums_gradient, bool sent_wanted)
{
  if constexpr (Vector<T>::lanes == GROUP)
    if (group == 2 * GROUP)
      return group_backward<T, 2 * GROUP>(edges, l_max, row, step, first, channels, sums_gradient,
                                          sent_wanted);
  group_backward<T, GROUP>(edges, l_max, row, step, first, channels, sums_gradient, sent_wanted);
}

/* ---------------------------------------------------------------------- */

/* coupling[m1][m3] = sum over m2 of constant * Y_m2, of all edges. */
template <class T>
INLINE void couplings(const Edges<T> &edges, const VectorPath &path, const CouplingTerm *terms)
{
  const int ncouplings = path.n1 * path.n3, first = (path.n2 / 2) * (path.n2 / 2);
  for (int begin = 0; begin < edges.count; begin += FEW) {
    const T *Y = factors_of(edges, begin) + (HARMONICS + first) * FEW;
    T *P = edges.coupling + (long) begin * ncouplings;
    for (int k = 0; k < ncouplings * FEW; k++) P[k] = 0;
    for (int k = 0; k < path.nterms; k++) {
      const CouplingTerm &term = terms[k];
      T *to = P + (term.m1 * path.n3 + term.m3) * FEW;
      const T *y = Y + term.m2 * FEW, value = (T) term.value;
      for (int q = 0; q < FEW; q++) to[q] += value * y[q];
    }
  }
}

/* U vectors of channels. */
template <class T, int N1, int N3, int U>
INLINE void sum_path_vectors(const Edges<T> &edges, const VectorPath &path, int channels, int c,
                             T *sums)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  V sum[N3][U];
  for (int m = 0; m < N3; m++)
    for (int u = 0; u < U; u++) sum[m][u] = V{};
  const T *factors = edges.factors, *P = edges.coupling;
  const long table_at = (long) path.table_row * channels + c,
             sent_at = (long) path.sent_row * channels + c;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++)) {
    const T *table = edges.tables + edges.vector_table_at[e] + table_at,
            *sent = edges.sent + edges.sent_at[e] + sent_at;
    V r[U];
    for (int u = 0; u < U; u++) r[u] = factors[WEIGHTS * FEW] * load(table + u * W);
    for (int q = 1; q < 6; q++)
      for (int u = 0; u < U; u++)
        r[u] += factors[(WEIGHTS + q) * FEW] * load(table + (long) q * channels + u * W);
    for (int m1 = 0; m1 < N1; m1++) {
      V x[U];
      for (int u = 0; u < U; u++) x[u] = r[u] * load(sent + (long) m1 * channels + u * W);
      for (int m3 = 0; m3 < N3; m3++)
        for (int u = 0; u < U; u++) sum[m3][u] += x[u] * P[(m1 * N3 + m3) * FEW];
    }
    P += e % FEW == FEW - 1 ? N1 * N3 * FEW - (FEW - 1) : 1;
  }
  for (int m = 0; m < N3; m++)
    for (int u = 0; u < U; u++)
      store(sums + ((long) path.sum_row + (long) m * path.step) * channels + c + u * W, sum[m][u]);
}

template <class T, int N1, int N3>
INLINE void sum_path(const Edges<T> &edges, const VectorPath &path, int channels, T *sums)
{
  constexpr int W = Vector<T>::lanes, MOST = 2 * GROUP / W, WANTED = N3 < 5 ? 4 : 2,
                U = WANTED < MOST ? WANTED : MOST;
  int c = 0;
  for (; c + U * W <= channels; c += U * W)
    sum_path_vectors<T, N1, N3, U>(edges, path, channels, c, sums);
  for (; c < channels; c += W) sum_path_vectors<T, N1, N3, 1>(edges, path, channels, c, sums);
}

template <class T, int N1>
INLINE void sum_path_from(const Edges<T> &edges, const VectorPath &path, int channels, T *sums)
{
  switch (path.n3) {
  case 1:
    return sum_path<T, N1, 1>(edges, path, channels, sums);
  case 3:
    return sum_path<T, N1, 3>(edges, path, channels, sums);
  case 5:
    return sum_path<T, N1, 5>(edges, path, channels, sums);
  default:
    return sum_path<T, N1, 7>(edges, path, channels, sums);
  }
}

template <class T>
void sum_vector(const Edges<T> &edges, const VectorPath &path, const CouplingTerm *terms,
                int channels, T *sums)
{
  couplings(edges, path, terms);
  if (path.n1 == 3)
    sum_path_from<T, 3>(edges, path, channels, sums);
  else
    sum_path_from<T, 5>(edges, path, channels, sums);
}

/* From the gradient of the products of features and harmonics, which no longer depends on the edge:
   a pair meets no constants, and what dE/dY gains is summed over m1 before it is summed over lanes.
 */
template <class T, int N1, int N2>
INLINE void path_backward(Edges<T> &edges, const VectorPath &path, int channels, const T *products)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, L = N2 / 2;
  const T *factors = edges.factors;
  T *gradient = edges.gradient;
  alignas(64) T found[16];
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++), gradient += 16) {
    const T *table = edges.tables + edges.vector_table_at[e] + (long) path.table_row * channels;
    const long sent_at = edges.sent_at[e] + (long) path.sent_row * channels;
    const T *sent = edges.sent + sent_at;
    T *sent_gradient = edges.sent_gradient + sent_at;
    V d[16];    // along the edge, then across for each harmonic
    for (int k = 0; k < 16; k++) d[k] = V{};
    for (int c = 0; c < channels; c += W) {
      V r{}, s{};
      for (int q = 0; q < 6; q++) {
        const V a = load(table + (long) q * channels + c);
        r += factors[(WEIGHTS + q) * FEW] * a;
        s += factors[(SLOPES + q) * FEW] * a;
      }
      // with the harmonics taken for solid ones of degree L (see forces)
      if (L > 0) s -= (L * factors[INVERSE_R * FEW]) * r;
      for (int m1 = 0; m1 < N1; m1++) {
        const V f = load(sent + (long) m1 * channels + c), x = r * f;
        V g{};
        for (int m2 = 0; m2 < N2; m2++) {
          const V a = load(products + (long) (m1 * N2 + m2) * channels + c);
          g += a * factors[(HARMONICS + L * L + m2) * FEW];
          if (L > 0) d[1 + m2] += a * x;
        }
        d[0] += s * f * g;
        T *to = sent_gradient + (long) m1 * channels + c;
        store(to, load(to) + r * g);
      }
    }
    for (int k = 0; k < N2 + 1; k += W) store(found + k, sums_of_lanes<T>(d + k));
    gradient[0] += found[0];
    if (L > 0)
      for (int m2 = 0; m2 < N2; m2++) gradient[L * L + m2] += found[1 + m2];
  }
}

template <class T, int N1>
INLINE void path_backward_from(Edges<T> &edges, const VectorPath &path, int channels,
                               const T *products)
{
  switch (path.n2) {
  case 1:
    return path_backward<T, N1, 1>(edges, path, channels, products);
  case 3:
    return path_backward<T, N1, 3>(edges, path, channels, products);
  case 5:
    return path_backward<T, N1, 5>(edges, path, channels, products);
  default:
    return path_backward<T, N1, 7>(edges, path, channels, products);
  }
}

template <class T>
void sum_vector_backward(Edges<T> &edges, const VectorPath &path, const CouplingTerm *terms,
                         int channels, const T *sums_gradient, T *products)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  for (int k = 0; k < path.n1 * path.n2 * channels; k++) products[k] = 0;
  for (int k = 0; k < path.nterms; k++) {
    const CouplingTerm &term = terms[k];
    const T *from = sums_gradient + ((long) path.sum_row + (long) term.m3 * path.step) * channels;
    T *to = products + (long) (term.m1 * path.n2 + term.m2) * channels;
    const V value = V{} + (T) term.value;
    for (int c = 0; c < channels; c += W) store(to + c, load(to + c) + value * load(from + c));
  }
  if (path.n1 == 3)
    path_backward_from<T, 3>(edges, path, channels, products);
  else
    path_backward_from<T, 5>(edges, path, channels, products);
}

/* ---------------------------------------------------------------------- */

/* The harmonics are homogeneous polynomials p_lm of degree l on the unit sphere, so
   r dY_lm/dx = grad p_lm(u) - l p_lm(u) u. The second term is along the edge: the backward passes
   have put it into dE/dr. */
template <class T> void forces(Edges<T> &edges, int l_max)
{
  const T s3 = (T) 1.7320508075688772, s5 = (T) 2.23606797749979, s15 = (T) 3.872983346207417;
  const T s7 = (T) 2.6457513110645907, s21_8 = (T) 1.620185174601965, s35_8 = (T) 2.091650066335189,
          s105 = (T) 10.246950765959598;
  constexpr int W = Vector<T>::lanes;
  const int nlm = (l_max + 1) * (l_max + 1);
  alignas(64) T d[16][FEW], gx[FEW], gy[FEW], gz[FEW];
  for (int begin = 0; begin < edges.count; begin += FEW) {
    for (int k = 0; k < FEW; k += W)
      for (int lm = 0; lm < nlm; lm += W)
        transpose(edges.gradient + (long) (begin + k) * 16 + lm, 16, &d[lm][k], FEW);
    const T *ux = edges.ux + begin, *uy = edges.uy + begin, *uz = edges.uz + begin;
    for (int k = 0; k < FEW; k++) {
      gx[k] = l_max > 0 ? s3 * d[1][k] : 0;
      gy[k] = l_max > 0 ? s3 * d[2][k] : 0;
      gz[k] = l_max > 0 ? s3 * d[3][k] : 0;
    }
    if (l_max > 1)
      for (int k = 0; k < FEW; k++) {
        const T x = ux[k], y = uy[k], z = uz[k];
        const T a0 = s15 * d[4][k], a1 = s15 * d[5][k], a2 = s5 * d[6][k], a3 = s15 * d[7][k],
                a4 = s15 * d[8][k];
        gx[k] += a0 * z + a1 * y - a2 * x - a4 * x;
        gy[k] += a1 * x + 2 * a2 * y + a3 * z;
        gz[k] += a0 * x - a2 * z + a3 * y + a4 * z;
      }
    if (l_max > 2)
      for (int k = 0; k < FEW; k++) {
        const T x = ux[k], y = uy[k], z = uz[k];
        const T x2 = x * x, y2 = y * y, z2 = z * z, q = 4 * y2 - x2 - z2;
        const T a0 = s35_8 * d[9][k], a1 = s105 * d[10][k], a2 = s21_8 * d[11][k],
                a3 = (T) 0.5 * s7 * d[12][k], a4 = s21_8 * d[13][k], a5 = (T) 0.5 * s105 * d[14][k],
                a6 = s35_8 * d[15][k];
        gx[k] += a0 * 3 * (z2 - x2) + a1 * y * z + a2 * (q - 2 * x2) - a3 * 6 * x * y -
            a4 * 2 * x * z - a5 * 2 * x * y - a6 * 6 * x * z;
        gy[k] += a1 * x * z + a2 * 8 * x * y + a3 * (6 * y2 - 3 * (x2 + z2)) + a4 * 8 * y * z +
            a5 * (z2 - x2);
        gz[k] += a0 * 6 * x * z + a1 * x * y - a2 * 2 * x * z - a3 * 6 * y * z + a4 * (q - 2 * z2) +
            a5 * 2 * y * z + a6 * 3 * (z2 - x2);
      }
    const T *inverse_r = factors_of(edges, begin) + INVERSE_R * FEW;
    for (int k = 0; k < FEW; k++) {
      const T along = d[0][k], inverse = inverse_r[k];
      edges.fx[begin + k] = (double) (along * ux[k] + inverse * gx[k]);
      edges.fy[begin + k] = (double) (along * uy[k] + inverse * gy[k]);
      edges.fz[begin + k] = (double) (along * uz[k] + inverse * gz[k]);
    }
  }
}

/* ---------------------------------------------------------------------- */

template <class T, int M, int U>
INLINE void linear_block(int nin, const T *const *in, const T *matrix, int nout, T *const *out,
                         int n, bool add)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  const T *x[M];
  for (int m = 0; m < M; m++) x[m] = in[m];
  V sum[M][U];
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) sum[m][u] = add ? load(out[m] + n + u * W) : V{};
  matrix += n;
  for (int k = 0; k < nin; k++, matrix += nout) {
    V b[U];
    for (int u = 0; u < U; u++) b[u] = load(matrix + u * W);
    for (int m = 0; m < M; m++)
      for (int u = 0; u < U; u++) sum[m][u] += x[m][k] * b[u];
  }
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) store(out[m] + n + u * W, sum[m][u]);
}

/* U vectors of columns of all rows: that part of the matrix stays in the first-level cache. */
template <class T, int U>
INLINE void linear_columns(int nrows, int nin, int nout, const T *const *in, const T *matrix,
                           T *const *out, int n, bool add)
{
  int m = 0;
  for (; m + 6 <= nrows && m + 8 != nrows; m += 6)
    linear_block<T, 6, U>(nin, in + m, matrix, nout, out + m, n, add);
  for (; m + 4 <= nrows; m += 4) linear_block<T, 4, U>(nin, in + m, matrix, nout, out + m, n, add);
  for (; m + 2 <= nrows; m += 2) linear_block<T, 2, U>(nin, in + m, matrix, nout, out + m, n, add);
  for (; m < nrows; m++) linear_block<T, 1, U>(nin, in + m, matrix, nout, out + m, n, add);
}

template <class T>
void linear(int nrows, int nin, int nout, const T *const *in, const T *matrix, T *const *out,
            bool add)
{
  constexpr int W = Vector<T>::lanes;
  int n = 0;
  if constexpr (LAMPLIGHTER_VECTOR_BYTES == 64)    // 32 registers
    for (; n + 4 * W <= nout; n += 4 * W)
      linear_columns<T, 4>(nrows, nin, nout, in, matrix, out, n, add);
  for (; n + 2 * W <= nout; n += 2 * W)
    linear_columns<T, 2>(nrows, nin, nout, in, matrix, out, n, add);
  for (; n < nout; n += W) linear_columns<T, 1>(nrows, nin, nout, in, matrix, out, n, add);
}

/* The same of M rows, U vectors of axes at a time. */
template <class T, int M>
INLINE void squared_length_of(int nin, int naxes, const T *const *in, const T *factor, T *out)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, U = W < GROUP ? 2 : 1;
  V total[M];
  for (int m = 0; m < M; m++) total[m] = V{};
  for (int n = 0; n < naxes; n += GROUP) {
    for (int g = 0; g < GROUP; g += U * W) {
      const T *of_axes = factor + g;
      V sum[M][U];
      for (int m = 0; m < M; m++)
        for (int u = 0; u < U; u++) sum[m][u] = V{};
      for (int k = n; k < nin; k++, of_axes += GROUP) {
        V b[U];
        for (int u = 0; u < U; u++) b[u] = load(of_axes + u * W);
        for (int m = 0; m < M; m++)
          for (int u = 0; u < U; u++) sum[m][u] += in[m][k] * b[u];
      }
      for (int m = 0; m < M; m++)
        for (int u = 0; u < U; u++) total[m] += sum[m][u] * sum[m][u];
    }
    factor += (long) (nin - n) * GROUP;
  }
  for (int m = 0; m < M; m++) out[m] = sum_of_lanes<T>(total[m]);
}

template <class T>
void squared_length(int nrows, int nin, int naxes, const T *const *in, const T *factor, T *out)
{
  int m = 0;
  for (; m + 6 <= nrows; m += 6) squared_length_of<T, 6>(nin, naxes, in + m, factor, out + m);
  for (; m < nrows; m++) squared_length_of<T, 1>(nin, naxes, in + m, factor, out + m);
}

/* sum_a x_a (k_a + sum_b x_b (k_ab + sum_c x_c k_abc)), a <= b <= c. The program lists the number
   of a, then for every a: its row, the number of b; for every b: its row, the number of c, the rows
   of these. Coefficients come in the same order. */
template <class T, bool GRADIENT, int U>
INLINE void polynomial_vectors(const int *p, const T *k, long next, int nrows, const T *x,
                               int stride, T *value, const T *seed, T *gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  V X[16][U], G[16][U], scale[U], total[U];
  for (int u = 0; u < U; u++) {
    for (int m = 0; m < nrows; m++) X[m][u] = load(x + (long) m * stride + u * W);
    if (GRADIENT) {
      for (int m = 0; m < nrows; m++) G[m][u] = V{};
      scale[u] = seed ? load(seed + u * W) : V{} + 1;
    }
    total[u] = V{};
  }
  for (int na = *p++; na > 0; na--) {
    const int a = *p++, nb = *p++;
    V sa[U], ga[U];
    for (int u = 0; u < U; u++) {
      sa[u] = load(k + u * next);
      if (GRADIENT) ga[u] = scale[u] * X[a][u];
    }
    k += W;
    for (int ib = 0; ib < nb; ib++) {
      const int b = *p++, nc = *p++;
      V sab[U], gab[U];
      for (int u = 0; u < U; u++) {
        sab[u] = load(k + u * next);
        if (GRADIENT) gab[u] = ga[u] * X[b][u];
      }
      k += W;
      for (int ic = 0; ic < nc; ic++, k += W) {
        const int c = *p++;
        for (int u = 0; u < U; u++) {
          const V f = load(k + u * next);
          sab[u] += f * X[c][u];
          if (GRADIENT) G[c][u] += f * gab[u];
        }
      }
      for (int u = 0; u < U; u++) {
        if (GRADIENT) G[b][u] += ga[u] * sab[u];
        sa[u] += X[b][u] * sab[u];
      }
    }
    for (int u = 0; u < U; u++) {
      if (GRADIENT) G[a][u] += scale[u] * sa[u];
      total[u] += X[a][u] * sa[u];
    }
  }
  for (int u = 0; u < U; u++) {
    if (value) store(value + u * W, total[u]);
    for (int m = 0; m < nrows && GRADIENT; m++) {
      T *to = gradient + (long) m * stride + u * W;
      store(to, load(to) + G[m][u]);
    }
  }
}

template <class T, bool GRADIENT>
INLINE void polynomial_of(int nvectors, const int *program, const T *coefficients, long next,
                          int nrows, const T *x, int stride, T *value, const T *seed, T *gradient)
{
  if (nvectors == 2)
    polynomial_vectors<T, GRADIENT, 2>(program, coefficients, next, nrows, x, stride, value, seed,
                                       gradient);
  else
    polynomial_vectors<T, GRADIENT, 1>(program, coefficients, next, nrows, x, stride, value, seed,
                                       gradient);
}

template <class T>
void polynomial(int nvectors, const int *program, const T *coefficients, long next, int nrows,
                const T *x, int stride, T *value, const T *seed, T *gradient)
{
  if (gradient)
    polynomial_of<T, true>(nvectors, program, coefficients, next, nrows, x, stride, value, seed,
                           gradient);
  else
    polynomial_of<T, false>(nvectors, program, coefficients, next, nrows, x, stride, value, seed,
                            gradient);
}

template <class T> const Kernels<T> *table()
{
  static const Kernels<T> kernels = {
      Vector<T>::lanes,       geometry<T>, sum_scalar<T>, sum_scalar_backward<T>, sum_vector<T>,
      sum_vector_backward<T>, forces<T>,   linear<T>,     squared_length<T>,      polynomial<T>};
  return &kernels;
}

#undef INLINE
