// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops, included by one source file for each instruction set after it set
   LAMPLIGHTER_VECTOR_BYTES and opened a namespace of its own. No include guard, and no standard
   library: see kernels.h. */

#define INLINE static inline __attribute__((always_inline))

template <class T> struct Vector;
template <> struct Vector<float> {
  typedef float V __attribute__((vector_size(LAMPLIGHTER_VECTOR_BYTES)));
  static constexpr int lanes = LAMPLIGHTER_VECTOR_BYTES / 4;
};
template <> struct Vector<double> {
  typedef double V __attribute__((vector_size(LAMPLIGHTER_VECTOR_BYTES)));
  static constexpr int lanes = LAMPLIGHTER_VECTOR_BYTES / 8;
};

template <class T> INLINE typename Vector<T>::V load(const T *p)
{
  return *(const typename Vector<T>::V *) p;
}
template <class T> INLINE void store(T *p, typename Vector<T>::V v)
{
  *(typename Vector<T>::V *) p = v;
}
template <class T> INLINE T sum_of_lanes(typename Vector<T>::V v)
{
  T total = v[0];
  for (int k = 1; k < Vector<T>::lanes; k++) total += v[k];
  return total;
}

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

template <class T>
void geometry(Edges<T> &edges, int l_max, double start, double spacing, int intervals)
{
  const int n = edges.count, stride = edges.capacity;
  const double per_spacing = 1.0 / spacing;
  const T slope_scale = (T) per_spacing;
  for (int e = 0; e < n; e++) {
    const double dx = edges.dx[e], dy = edges.dy[e], dz = edges.dz[e];
    const double r = __builtin_sqrt(dx * dx + dy * dy + dz * dz);
    const double inverse = 1.0 / r;
    edges.ux[e] = (T) (dx * inverse);
    edges.uy[e] = (T) (dy * inverse);
    edges.uz[e] = (T) (dz * inverse);
    edges.inverse_r[e] = (T) inverse;
    const double position = (r - start) * per_spacing;
    int k = (int) position;
    k = k < 0 ? 0 : k;
    k = k > intervals - 1 ? intervals - 1 : k;
    edges.interval[e] = k;
    const T t = (T) (position - k);
    const T u = 1 - t, t2 = t * t, t3 = t2 * t, t4 = t2 * t2, u2 = u * u, u4 = u2 * u2;
    const T c = (T) (1.0 / 120.0), s = slope_scale * (T) (1.0 / 24.0);
    T *w = edges.weights + e, *d = edges.slopes + e;
    w[0] = c * u4 * u;
    w[stride] = c * (26 - 50 * t + 20 * (t2 + t3) - 20 * t4 + 5 * t4 * t);
    w[2 * stride] = c * (66 - 60 * t2 + 30 * t4 - 10 * t4 * t);
    w[3 * stride] = c * (26 + 50 * t + 20 * (t2 - t3) - 20 * t4 + 10 * t4 * t);
    w[4 * stride] = c * (1 + 5 * (t + t4) + 10 * (t2 + t3) - 5 * t4 * t);
    w[5 * stride] = c * t4 * t;
    d[0] = -s * u4;
    d[stride] = s * (-10 + 8 * t + 12 * t2 - 16 * t3 + 5 * t4);
    d[2 * stride] = s * (-24 * t + 24 * t3 - 10 * t4);
    d[3 * stride] = s * (10 + 8 * t - 12 * t2 - 16 * t3 + 10 * t4);
    d[4 * stride] = s * (1 + 4 * (t + t3) + 6 * t2 - 5 * t4);
    d[5 * stride] = s * t4;
  }
  harmonics_up_to(l_max, n, stride, edges.ux, edges.uy, edges.uz, edges.harmonics);
}

template <class T, bool SLOPES> INLINE void radial_rows(Edges<T> &edges, int width, int node_size)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  const int stride = edges.capacity;
  for (int e = 0; e < edges.count; e++) {
    const T *a = edges.table[e] + (long) edges.interval[e] * node_size;
    const T *w = edges.weights + e, *d = edges.slopes + e;
    const T w0 = w[0], w1 = w[stride], w2 = w[2 * stride], w3 = w[3 * stride], w4 = w[4 * stride],
            w5 = w[5 * stride];
    const T d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride],
            d5 = d[5 * stride];
    T *value = edges.radial + (long) e * width, *slope = edges.radial_slope + (long) e * width;
    for (int c = 0; c < width; c += W, a += W) {
      const V a0 = load(a), a1 = load(a + node_size), a2 = load(a + 2 * node_size),
              a3 = load(a + 3 * node_size), a4 = load(a + 4 * node_size),
              a5 = load(a + 5 * node_size);
      store(value + c, (w0 * a0 + w1 * a1 + w2 * a2) + (w3 * a3 + w4 * a4 + w5 * a5));
      if (SLOPES) store(slope + c, (d0 * a0 + d1 * a1 + d2 * a2) + (d3 * a3 + d4 * a4 + d5 * a5));
    }
  }
}

template <class T> void radial(Edges<T> &edges, int width, int node_size, bool slopes)
{
  if (slopes)
    radial_rows<T, true>(edges, width, node_size);
  else
    radial_rows<T, false>(edges, width, node_size);
}

/* ---------------------------------------------------------------------- */

template <class T, int L>
INLINE void sum_degree(const Edges<T> &edges, int row, int step, int width, int channels, T *sums)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, M = 2 * L + 1;
  const int stride = edges.capacity;
  const T *Y = edges.harmonics + (long) L * L * stride;
  for (int c = 0; c < channels; c += W) {
    V sum[M];
    for (int m = 0; m < M; m++) sum[m] = V{};
    const T *R = edges.radial + L * channels + c;
    for (int e = 0; e < edges.count; e++, R += width) {
      const V x = load(R) * load(edges.sent[e] + c);
      for (int m = 0; m < M; m++) sum[m] += x * Y[m * stride + e];
    }
    for (int m = 0; m < M; m++) store(sums + (long) (row + m * step) * channels + c, sum[m]);
  }
}

template <class T>
void sum_scalar(const Edges<T> &edges, int l_max, const int *row, const int *step, int width,
                int channels, T *sums)
{
  sum_degree<T, 0>(edges, row[0], step[0], width, channels, sums);
  if (l_max > 0) sum_degree<T, 1>(edges, row[1], step[1], width, channels, sums);
  if (l_max > 1) sum_degree<T, 2>(edges, row[2], step[2], width, channels, sums);
  if (l_max > 2) sum_degree<T, 3>(edges, row[3], step[3], width, channels, sums);
}

/* One degree of one edge. Returns the part of dE/dr, one number a lane. */
template <class T, int L, bool SENT>
INLINE typename Vector<T>::V degree_backward(const Edges<T> &edges, int e, int row, int step,
                                             int width, int channels, const T *sums_gradient)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes, M = 2 * L + 1;
  const int stride = edges.capacity;
  const T *R = edges.radial + (long) e * width + L * channels;
  const T *S = edges.radial_slope + (long) e * width + L * channels;
  const T *h = edges.sent[e];
  T *h_gradient = SENT ? edges.sent_gradient[e] : nullptr;
  T Y[M];
  for (int m = 0; m < M; m++) Y[m] = edges.harmonics[(L * L + m) * stride + e];
  V along{}, dY[M];
  for (int m = 0; m < M; m++) dY[m] = V{};
  for (int c = 0; c < channels; c += W) {
    const V r = load(R + c), f = load(h + c), x = r * f;
    V g{};
    for (int m = 0; m < M; m++) {
      const V a = load(sums_gradient + (long) (row + m * step) * channels + c);
      g += a * Y[m];
      dY[m] += a * x;
    }
    along += load(S + c) * f * g;
    if (SENT) store(h_gradient + c, load(h_gradient + c) + r * g);
  }
  for (int m = 0; m < M; m++)
    edges.harmonics_gradient[(L * L + m) * stride + e] = sum_of_lanes<T>(dY[m]);
  return along;
}

template <class T, bool SENT>
INLINE void all_degrees_backward(Edges<T> &edges, int l_max, const int *row, const int *step,
                                 int width, int channels, const T *g)
{
  for (int e = 0; e < edges.count; e++) {
    auto along = degree_backward<T, 0, SENT>(edges, e, row[0], step[0], width, channels, g);
    if (l_max > 0)
      along += degree_backward<T, 1, SENT>(edges, e, row[1], step[1], width, channels, g);
    if (l_max > 1)
      along += degree_backward<T, 2, SENT>(edges, e, row[2], step[2], width, channels, g);
    if (l_max > 2)
      along += degree_backward<T, 3, SENT>(edges, e, row[3], step[3], width, channels, g);
    edges.radial_gradient[e] = sum_of_lanes<T>(along);
  }
}

template <class T>
void sum_scalar_backward(Edges<T> &edges, int l_max, const int *row, const int *step, int width,
                         int channels, const T *sums_gradient, bool sent_wanted)
{
  if (sent_wanted)
    all_degrees_backward<T, true>(edges, l_max, row, step, width, channels, sums_gradient);
  else
    all_degrees_backward<T, false>(edges, l_max, row, step, width, channels, sums_gradient);
}

/* ---------------------------------------------------------------------- */

template <class T>
void sum_vector(Edges<T> &edges, const VectorPath *paths, int npaths, const CouplingTerm *terms,
                int nterms, int ncouplings, int width, int channels, T *sums)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  const int stride = edges.capacity;
  for (int e = 0; e < edges.count; e++) {
    T *P = edges.coupling + (long) e * ncouplings;
    for (int k = 0; k < ncouplings; k++) P[k] = 0;
    for (int k = 0; k < nterms; k++)
      P[terms[k].target] += (T) terms[k].value * edges.harmonics[terms[k].lm * stride + e];
    for (int p = 0; p < npaths; p++) {
      const VectorPath &path = paths[p];
      const T *R = edges.radial + (long) e * width + path.radial_row * channels;
      const T *h = edges.sent[e] + (long) path.sent_row * channels;
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
  const int stride = edges.capacity;
  for (int e = 0; e < edges.count; e++) {
    const T *P = edges.coupling + (long) e * ncouplings;
    T *dP = edges.coupling_gradient + (long) e * ncouplings;
    V along{};
    for (int p = 0; p < npaths; p++) {
      const VectorPath &path = paths[p];
      const T *R = edges.radial + (long) e * width + path.radial_row * channels;
      const T *S = edges.radial_slope + (long) e * width + path.radial_row * channels;
      const T *h = edges.sent[e] + (long) path.sent_row * channels;
      T *dh = edges.sent_gradient[e] + (long) path.sent_row * channels;
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
    for (int k = 0; k < nterms; k++)
      edges.harmonics_gradient[terms[k].lm * stride + e] += (T) terms[k].value *
          dP[terms[k].target];
    edges.radial_gradient[e] += sum_of_lanes<T>(along);
  }
}

/* ---------------------------------------------------------------------- */

/* The harmonics are homogeneous polynomials p_lm of degree l on the unit sphere, so
   r dY_lm/dx = grad p_lm(u) - l p_lm(u) u. */
template <class T> void forces(Edges<T> &edges, int l_max)
{
  const int n = edges.count, stride = edges.capacity;
  const T s3 = (T) 1.7320508075688772, s5 = (T) 2.23606797749979, s15 = (T) 3.872983346207417;
  const T s7 = (T) 2.6457513110645907, s21_8 = (T) 1.620185174601965, s35_8 = (T) 2.091650066335189,
          s105 = (T) 10.246950765959598;
  const T *__restrict d = edges.harmonics_gradient;
  const T *__restrict Y = edges.harmonics;
  for (int e = 0; e < n; e++) {
    const T x = edges.ux[e], y = edges.uy[e], z = edges.uz[e];
    T gx = 0, gy = 0, gz = 0, radial = 0;
    if (l_max > 0) {
      const T *a = d + stride + e, *b = Y + stride + e;
      gx += s3 * a[0];
      gy += s3 * a[stride];
      gz += s3 * a[2 * stride];
      radial += a[0] * b[0] + a[stride] * b[stride] + a[2 * stride] * b[2 * stride];
    }
    if (l_max > 1) {
      const T *a = d + 4 * stride + e, *b = Y + 4 * stride + e;
      const T a0 = s15 * a[0], a1 = s15 * a[stride], a2 = s5 * a[2 * stride],
              a3 = s15 * a[3 * stride], a4 = s15 * a[4 * stride];
      gx += a0 * z + a1 * y - a2 * x - a4 * x;
      gy += a1 * x + 2 * a2 * y + a3 * z;
      gz += a0 * x - a2 * z + a3 * y + a4 * z;
      T s = 0;
      for (int m = 0; m < 5; m++) s += a[m * stride] * b[m * stride];
      radial += 2 * s;
    }
    if (l_max > 2) {
      const T *a = d + 9 * stride + e, *b = Y + 9 * stride + e;
      const T x2 = x * x, y2 = y * y, z2 = z * z, q = 4 * y2 - x2 - z2;
      const T a0 = s35_8 * a[0], a1 = s105 * a[stride], a2 = s21_8 * a[2 * stride],
              a3 = (T) 0.5 * s7 * a[3 * stride], a4 = s21_8 * a[4 * stride],
              a5 = (T) 0.5 * s105 * a[5 * stride], a6 = s35_8 * a[6 * stride];
      gx += a0 * 3 * (z2 - x2) + a1 * y * z + a2 * (q - 2 * x2) - a3 * 6 * x * y - a4 * 2 * x * z -
          a5 * 2 * x * y - a6 * 6 * x * z;
      gy += a1 * x * z + a2 * 8 * x * y + a3 * (6 * y2 - 3 * (x2 + z2)) + a4 * 8 * y * z +
          a5 * (z2 - x2);
      gz += a0 * 6 * x * z + a1 * x * y - a2 * 2 * x * z - a3 * 6 * y * z + a4 * (q - 2 * z2) +
          a5 * 2 * y * z + a6 * 3 * (z2 - x2);
      T s = 0;
      for (int m = 0; m < 7; m++) s += a[m * stride] * b[m * stride];
      radial += 3 * s;
    }
    const T inverse = edges.inverse_r[e];
    const T along = edges.radial_gradient[e] - inverse * radial;
    edges.fx[e] = (double) (along * x + inverse * gx);
    edges.fy[e] = (double) (along * y + inverse * gy);
    edges.fz[e] = (double) (along * z + inverse * gz);
  }
}

/* ---------------------------------------------------------------------- */

template <class T, int M, int U>
INLINE void linear_block(int nin, const T *in, int in_stride, const T *matrix, int nout, T *out,
                         int out_stride, bool add)
{
  typedef typename Vector<T>::V V;
  constexpr int W = Vector<T>::lanes;
  V sum[M][U];
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) sum[m][u] = add ? load(out + (long) m * out_stride + u * W) : V{};
  for (int k = 0; k < nin; k++, matrix += nout) {
    V b[U];
    for (int u = 0; u < U; u++) b[u] = load(matrix + u * W);
    for (int m = 0; m < M; m++) {
      const T a = in[(long) m * in_stride + k];
      for (int u = 0; u < U; u++) sum[m][u] += a * b[u];
    }
  }
  for (int m = 0; m < M; m++)
    for (int u = 0; u < U; u++) store(out + (long) m * out_stride + u * W, sum[m][u]);
}

template <class T, int M, int U>
INLINE void linear_rows(int nin, int nout, const T *in, int in_stride, const T *matrix, T *out,
                        int out_stride, bool add)
{
  constexpr int W = Vector<T>::lanes;
  int n = 0;
  for (; n + U * W <= nout; n += U * W)
    linear_block<T, M, U>(nin, in, in_stride, matrix + n, nout, out + n, out_stride, add);
  for (; n < nout; n += W)
    linear_block<T, M, 1>(nin, in, in_stride, matrix + n, nout, out + n, out_stride, add);
}

template <class T>
void linear(int nrows, int nin, int nout, const T *in, int in_stride, const T *matrix, T *out,
            int out_stride, bool add)
{
  if (nrows == 1) {
    linear_rows<T, 1, 4>(nin, nout, in, in_stride, matrix, out, out_stride, add);
    return;
  }
  int m = 0;
  for (; m + 3 <= nrows; m += 3)
    linear_rows<T, 3, 2>(nin, nout, in + (long) m * in_stride, in_stride, matrix,
                         out + (long) m * out_stride, out_stride, add);
  for (; m < nrows; m++)
    linear_rows<T, 1, 4>(nin, nout, in + (long) m * in_stride, in_stride, matrix,
                         out + (long) m * out_stride, out_stride, add);
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
                                     sum_vector<T>,
                                     sum_vector_backward<T>,
                                     forces<T>,
                                     linear<T>,
                                     polynomial<T>};
  return &kernels;
}

#undef INLINE
