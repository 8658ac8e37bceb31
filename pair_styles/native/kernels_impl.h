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

/* Radial functions of the paths from vectors and tensors. */
template <class T, bool SLOPES_TOO> INLINE void radial_rows(Edges<T> &edges, int width)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  for (int e = 0; e < edges.count; e++) {
    const T *w = factors_of(edges, e) + WEIGHTS * FEW, *d = factors_of(edges, e) + SLOPES * FEW;
    T *value = edges.radial + (long) e * width, *slope = edges.radial_slope + (long) e * width;
    const T *a = edges.tables + edges.vector_table_at[e];
    for (int c = 0; c < width; c += W, a += W) {
      V v{}, s{};
      for (int q = 0; q < 6; q++) {
        const V x = load(a + (long) q * width);
        v += w[q * FEW] * x;
        if (SLOPES_TOO) s += d[q * FEW] * x;
      }
      store(value + c, v);
      if (SLOPES_TOO) store(slope + c, s);
    }
  }
}

template <class T> void radial(Edges<T> &edges, int width, bool slopes)
{
  if (slopes)
    radial_rows<T, true>(edges, width);
  else
    radial_rows<T, false>(edges, width);
}

/* ---------------------------------------------------------------------- */

/* The sums of U vectors of one degree; the radial function is made on the spot. */
template <class T, int L, int LMAX, int U>
INLINE void sum_vectors(const Edges<T> &edges, int first, long table_offset, int step, T *sums)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, M = 2 * L + 1, ROW = (LMAX + 1) * GROUP;
  V sum[M][U];
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) sum[m][u] = V{};
  const T *factors = edges.factors;
  for (int e = 0; e < edges.count; factors = after(factors, edges, e++)) {
    const T *table = edges.tables + edges.table_at[e] + table_offset + L * GROUP,
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

template <class T, int L, int LMAX>
INLINE void sum_degree(const Edges<T> &edges, int row, int step, int first, int channels, T *sums)
{
  constexpr int W = Vector<T>::lanes, MOST = GROUP / W, WANTED = L < 2 ? 4 : 2,
                U = WANTED < MOST ? WANTED : MOST;
  const long group = edges.table_group * (first / GROUP);
  for (int c = 0; c < GROUP; c += U * W)
    sum_vectors<T, L, LMAX, U>(edges, first + c, group + c, step * channels,
                               sums + (long) row * channels + first + c);
}

template <class T, int LMAX>
void sum_degrees(const Edges<T> &edges, const int *row, const int *step, int first, int channels,
                 T *sums)
{
  sum_degree<T, 0, LMAX>(edges, row[0], step[0], first, channels, sums);
  if constexpr (LMAX > 0) sum_degree<T, 1, LMAX>(edges, row[1], step[1], first, channels, sums);
  if constexpr (LMAX > 1) sum_degree<T, 2, LMAX>(edges, row[2], step[2], first, channels, sums);
  if constexpr (LMAX > 2) sum_degree<T, 3, LMAX>(edges, row[3], step[3], first, channels, sums);
}

template <class T>
void sum_scalar(const Edges<T> &edges, int l_max, const int *row, const int *step, int first,
                int channels, T *sums)
{
  switch (l_max) {
  case 0:
    return sum_degrees<T, 0>(edges, row, step, first, channels, sums);
  case 1:
    return sum_degrees<T, 1>(edges, row, step, first, channels, sums);
  case 2:
    return sum_degrees<T, 2>(edges, row, step, first, channels, sums);
  default:
    return sum_degrees<T, 3>(edges, row, step, first, channels, sums);
  }
}

/* One degree of one edge and U vectors of channels. Adds to d[lm] what dE/dY_lm gains, one number a
   lane, and to d[0], where dE/dY would be of no use, what dE/dr gains, with the harmonics taken for
   solid ones of degree l (see forces). */
template <class T, int L, int LMAX, int U, bool SENT>
INLINE void degree_backward(const T *factors, const T *table, const T *sent, T *sent_gradient,
                            const T *sums_gradient, long step, typename Vector<T>::V *d)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, M = 2 * L + 1, ROW = (LMAX + 1) * GROUP;
  V r[U], s[U], f[U], x[U], g[U];
  for (int u = 0; u < U; u++) r[u] = s[u] = g[u] = V{};
  for (int q = 0; q < 6; q++)
    for (int u = 0; u < U; u++) {
      const V a = load(table + q * ROW + L * GROUP + u * W);
      r[u] += factors[(WEIGHTS + q) * FEW] * a;
      s[u] += factors[(SLOPES + q) * FEW] * a;
    }
  for (int u = 0; u < U; u++) {
    f[u] = load(sent + u * W);
    x[u] = r[u] * f[u];
    s[u] *= f[u];
    if (L > 0) s[u] -= (L * factors[INVERSE_R * FEW]) * x[u];
  }
  for (int m = 0; m < M; m++) {
    const T y = factors[(HARMONICS + L * L + m) * FEW];
    V across{};
    for (int u = 0; u < U; u++) {
      const V a = load(sums_gradient + m * step + u * W);
      g[u] += a * y;
      if (L > 0) across += a * x[u];
    }
    if (L > 0) d[L * L + m] += across;
  }
  for (int u = 0; u < U; u++) {
    d[0] += s[u] * g[u];
    if (SENT) store(sent_gradient + u * W, load(sent_gradient + u * W) + r[u] * g[u]);
  }
}

template <class T, int LMAX, bool SENT>
void degrees_backward(Edges<T> &edges, const int *row, const int *step, int first, int channels,
                      const T *sums_gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, MOST = GROUP / W, U = MOST < 4 ? MOST : 4;
  constexpr int NLM = (LMAX + 1) * (LMAX + 1);
  const long group = edges.table_group * (first / GROUP);
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
    T *dh = SENT ? edges.sent_gradient + edges.sent_at[e] + first : nullptr;
    V d[16];
    for (int k = 0; k < 16; k++) d[k] = V{};
    for (int c = 0; c < GROUP; c += U * W) {
      degree_backward<T, 0, LMAX, U, SENT>(factors, table + c, h + c, dh + c, g[0] + c, steps[0],
                                           d);
      if constexpr (LMAX > 0)
        degree_backward<T, 1, LMAX, U, SENT>(factors, table + c, h + c, dh + c, g[1] + c, steps[1],
                                             d);
      if constexpr (LMAX > 1)
        degree_backward<T, 2, LMAX, U, SENT>(factors, table + c, h + c, dh + c, g[2] + c, steps[2],
                                             d);
      if constexpr (LMAX > 2)
        degree_backward<T, 3, LMAX, U, SENT>(factors, table + c, h + c, dh + c, g[3] + c, steps[3],
                                             d);
    }
    for (int k = 0; k < NLM; k += W) {
      const V total = sums_of_lanes<T>(d + k);
      store(gradient + k, first ? load(gradient + k) + total : total);
    }
  }
}

template <class T, bool SENT>
INLINE void scalar_backward(Edges<T> &edges, int l_max, const int *row, const int *step, int first,
                            int channels, const T *sums_gradient)
{
  switch (l_max) {
  case 0:
    return degrees_backward<T, 0, SENT>(edges, row, step, first, channels, sums_gradient);
  case 1:
    return degrees_backward<T, 1, SENT>(edges, row, step, first, channels, sums_gradient);
  case 2:
    return degrees_backward<T, 2, SENT>(edges, row, step, first, channels, sums_gradient);
  default:
    return degrees_backward<T, 3, SENT>(edges, row, step, first, channels, sums_gradient);
  }
}

template <class T>
void sum_scalar_backward(Edges<T> &edges, int l_max, const int *row, const int *step, int first,
                         int channels, const T *sums_gradient, bool sent_wanted)
{
  if (sent_wanted)
    scalar_backward<T, true>(edges, l_max, row, step, first, channels, sums_gradient);
  else
    scalar_backward<T, false>(edges, l_max, row, step, first, channels, sums_gradient);
}

/* ---------------------------------------------------------------------- */

template <class T>
void couplings(Edges<T> &edges, const CouplingTerm *terms, int nterms, int ncouplings)
{
  for (int e = 0; e < edges.count; e++) {
    const T *Y = factors_of(edges, e) + HARMONICS * FEW;
    T *P = edges.coupling + (long) e * ncouplings;
    for (int k = 0; k < ncouplings; k++) P[k] = 0;
    for (int k = 0; k < nterms; k++)
      P[terms[k].target] += (T) terms[k].value * Y[terms[k].lm * FEW];
  }
}

template <class T>
void sum_vector(const Edges<T> &edges, const VectorPath *paths, int npaths, int ncouplings,
                int width, int channels, T *sums)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  for (int e = 0; e < edges.count; e++) {
    const T *P = edges.coupling + (long) e * ncouplings;
    for (int p = 0; p < npaths; p++) {
      const VectorPath &path = paths[p];
      const T *R = edges.radial + (long) e * width + path.radial_row * channels;
      const T *h = edges.sent + edges.sent_at[e] + (long) path.sent_row * channels;
      T *sum = sums + (long) path.sum_row * channels;
      const long step = (long) path.step * channels;
      for (int c = 0; c < channels; c += W) {
        const V r = load(R + c);
        for (int m1 = 0; m1 < path.n1; m1++) {
          const V x = r * load(h + m1 * channels + c);
          const T *row = P + path.coupling + m1 * path.n3;
          for (int m3 = 0; m3 < path.n3; m3++)
            store(sum + m3 * step + c, load(sum + m3 * step + c) + x * row[m3]);
        }
      }
    }
  }
}

template <class T>
void sum_vector_backward(Edges<T> &edges, const VectorPath *paths, int npaths,
                         const CouplingTerm *terms, int nterms, int ncouplings, int width,
                         int channels, const T *sums_gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  for (int e = 0; e < edges.count; e++) {
    const T *P = edges.coupling + (long) e * ncouplings;
    T *dP = edges.coupling_gradient + (long) e * ncouplings;
    V along{};
    for (int p = 0; p < npaths; p++) {
      const VectorPath &path = paths[p];
      const T *R = edges.radial + (long) e * width + path.radial_row * channels;
      const T *S = edges.radial_slope + (long) e * width + path.radial_row * channels;
      const T *h = edges.sent + edges.sent_at[e] + (long) path.sent_row * channels;
      T *dh = edges.sent_gradient + edges.sent_at[e] + (long) path.sent_row * channels;
      const T *sum = sums_gradient + (long) path.sum_row * channels;
      const long step = (long) path.step * channels;
      for (int m1 = 0; m1 < path.n1; m1++) {
        const T *row = P + path.coupling + m1 * path.n3;
        V d[7];
        for (int m3 = 0; m3 < 7; m3++) d[m3] = V{};
        for (int c = 0; c < channels; c += W) {
          const V r = load(R + c), f = load(h + m1 * channels + c), x = r * f;
          V g{};
          for (int m3 = 0; m3 < path.n3; m3++) {
            const V a = load(sum + m3 * step + c);
            g += a * row[m3];
            d[m3] += a * x;
          }
          along += load(S + c) * f * g;
          store(dh + m1 * channels + c, load(dh + m1 * channels + c) + r * g);
        }
        for (int m3 = 0; m3 < path.n3; m3++)
          dP[path.coupling + m1 * path.n3 + m3] = sum_of_lanes<T>(d[m3]);
      }
    }
    T *gradient = edges.gradient + (long) e * 16;
    const T *factors = factors_of(edges, e);
    T radial = sum_of_lanes<T>(along);
    for (int k = 0; k < nterms; k++) {
      const int lm = terms[k].lm;
      if (lm == 0) continue;
      const T a = (T) terms[k].value * dP[terms[k].target];
      const int l = lm < 4 ? 1 : lm < 9 ? 2 : 3;
      gradient[lm] += a;
      radial -= l * factors[INVERSE_R * FEW] * a * factors[(HARMONICS + lm) * FEW];
    }
    gradient[0] += radial;
  }
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
  for (; m + 6 <= nrows; m += 6) linear_block<T, 6, U>(nin, in + m, matrix, nout, out + m, n, add);
  for (; m + 3 <= nrows; m += 3) linear_block<T, 3, U>(nin, in + m, matrix, nout, out + m, n, add);
  for (; m < nrows; m++) linear_block<T, 1, U>(nin, in + m, matrix, nout, out + m, n, add);
}

template <class T>
void linear(int nrows, int nin, int nout, const T *const *in, const T *matrix, T *const *out,
            bool add)
{
  constexpr int W = Vector<T>::lanes;
  int n = 0;
  for (; n + 2 * W <= nout; n += 2 * W)
    linear_columns<T, 2>(nrows, nin, nout, in, matrix, out, n, add);
  for (; n < nout; n += W) linear_columns<T, 1>(nrows, nin, nout, in, matrix, out, n, add);
}

/* sum_a x_a (k_a + sum_b x_b (k_ab + sum_c x_c k_abc)), a <= b <= c. The program lists the number
   of a, then for every a: its row, the number of b; for every b: its row, the number of c, the rows
   of these. Coefficients come in the same order. */
template <class T, bool GRADIENT>
INLINE void polynomial_vector(const int *p, const T *k, int nrows, const T *x, int stride, T *value,
                              const T *seed, T *gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  V X[16], G[16];
  for (int m = 0; m < nrows; m++) X[m] = load(x + (long) m * stride);
  V scale{};
  if (GRADIENT) {
    for (int m = 0; m < nrows; m++) G[m] = V{};
    scale = seed ? load(seed) : scale + 1;
  }
  V total{};
  for (int na = *p++; na > 0; na--) {
    const int a = *p++, nb = *p++;
    V sa = load(k);
    k += W;
    const V xa = X[a], ga = GRADIENT ? scale * xa : xa;
    for (int ib = 0; ib < nb; ib++) {
      const int b = *p++, nc = *p++;
      V sab = load(k);
      k += W;
      const V xb = X[b];
      if (GRADIENT) {
        const V gab = ga * xb;
        for (int ic = 0; ic < nc; ic++, k += W) {
          const int c = *p++;
          const V f = load(k);
          sab += f * X[c];
          G[c] += f * gab;
        }
        G[b] += ga * sab;
      } else {
        for (int ic = 0; ic < nc; ic++, k += W) sab += load(k) * X[*p++];
      }
      sa += xb * sab;
    }
    if (GRADIENT) G[a] += scale * sa;
    total += xa * sa;
  }
  if (value) store(value, total);
  if (GRADIENT)
    for (int m = 0; m < nrows; m++)
      store(gradient + (long) m * stride, load(gradient + (long) m * stride) + G[m]);
}

template <class T>
void polynomial(const int *program, const T *coefficients, int nrows, const T *x, int stride,
                T *value, const T *seed, T *gradient)
{
  if (gradient)
    polynomial_vector<T, true>(program, coefficients, nrows, x, stride, value, seed, gradient);
  else
    polynomial_vector<T, false>(program, coefficients, nrows, x, stride, value, seed, gradient);
}

template <class T> const Kernels<T> *table()
{
  static const Kernels<T> kernels = {Vector<T>::lanes,
                                     geometry<T>,
                                     radial<T>,
                                     sum_scalar<T>,
                                     sum_scalar_backward<T>,
                                     couplings<T>,
                                     sum_vector<T>,
                                     sum_vector_backward<T>,
                                     forces<T>,
                                     linear<T>,
                                     polynomial<T>};
  return &kernels;
}

#undef INLINE
