// SPDX-License-Identifier: GPL-2.0-or-later
/* Vectors of numbers, for the files of inner loops: included in their namespaces after they set
   LAMPLIGHTER_VECTOR_BYTES. No include guard, and no standard library: see kernels.h. */

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
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define LAMPLIGHTER_SHUFFLE
#endif
#endif

/* Reading lane after lane costs as much as all else that a short loop does: half is added to half.
 */
template <class T> INLINE T sum_of_lanes(typename Vector<T>::V v)
{
  constexpr int W = Vector<T>::lanes;
#ifdef LAMPLIGHTER_SHUFFLE
  if constexpr (W == 2) {
    v += __builtin_shufflevector(v, v, 1, 0);
  } else if constexpr (W == 4) {
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
  } else if constexpr (W == 8) {
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
  } else if constexpr (W == 16) {
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  }
  return v[0];
#else
  T total = v[0];
  for (int k = 1; k < W; k++) total += v[k];
  return total;
#endif
}

/* Lane k of the result is the sum of the lanes of v[k]: half of the vectors, and half of each, at a
   time. Spoils v. */
template <class T> INLINE typename Vector<T>::V sums_of_lanes(typename Vector<T>::V *v)
{
  constexpr int W = Vector<T>::lanes;
#ifdef LAMPLIGHTER_SHUFFLE
  if constexpr (W == 2) {
    return __builtin_shufflevector(v[0], v[1], 0, 2) + __builtin_shufflevector(v[0], v[1], 1, 3);
  } else if constexpr (W == 4) {
    for (int k = 0; k < 2; k++)
      v[k] = __builtin_shufflevector(v[k], v[k + 2], 0, 1, 4, 5) +
          __builtin_shufflevector(v[k], v[k + 2], 2, 3, 6, 7);
    return __builtin_shufflevector(v[0], v[1], 0, 4, 2, 6) +
        __builtin_shufflevector(v[0], v[1], 1, 5, 3, 7);
  } else if constexpr (W == 8) {
    for (int k = 0; k < 4; k++)
      v[k] = __builtin_shufflevector(v[k], v[k + 4], 0, 1, 2, 3, 8, 9, 10, 11) +
          __builtin_shufflevector(v[k], v[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    for (int k = 0; k < 2; k++)
      v[k] = __builtin_shufflevector(v[k], v[k + 2], 0, 1, 8, 9, 4, 5, 12, 13) +
          __builtin_shufflevector(v[k], v[k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    return __builtin_shufflevector(v[0], v[1], 0, 8, 2, 10, 4, 12, 6, 14) +
        __builtin_shufflevector(v[0], v[1], 1, 9, 3, 11, 5, 13, 7, 15);
  } else if constexpr (W == 16) {
    for (int k = 0; k < 8; k++)
      v[k] = __builtin_shufflevector(v[k], v[k + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21,
                                     22, 23) +
          __builtin_shufflevector(v[k], v[k + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28,
                                  29, 30, 31);
    for (int k = 0; k < 4; k++)
      v[k] = __builtin_shufflevector(v[k], v[k + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24,
                                     25, 26, 27) +
          __builtin_shufflevector(v[k], v[k + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28,
                                  29, 30, 31);
    for (int k = 0; k < 2; k++)
      v[k] = __builtin_shufflevector(v[k], v[k + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12,
                                     13, 28, 29) +
          __builtin_shufflevector(v[k], v[k + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14,
                                  15, 30, 31);
    return __builtin_shufflevector(v[0], v[1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28,
                                   14, 30) +
        __builtin_shufflevector(v[0], v[1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15,
                                31);
  } else {
    static_assert(W == 2 || W == 4 || W == 8 || W == 16, "sums of this many lanes are not written");
  }
#endif
  typename Vector<T>::V total{};
  for (int k = 0; k < W; k++) total[k] = sum_of_lanes<T>(v[k]);
  return total;
}

#ifdef LAMPLIGHTER_SHUFFLE
template <int... K> struct Indices {};
template <int N, int... K> struct IndicesUpTo : IndicesUpTo<N - 1, N - 1, K...> {};
template <int... K> struct IndicesUpTo<0, K...> {
  typedef Indices<K...> All;
};

/* Of two vectors, trades the lanes of the first whose number has the bit S for those of the second
   that have it not. */
template <int S, class V, int... K> INLINE void trade_lanes(V &a, V &b, Indices<K...>)
{
  constexpr int W = sizeof...(K);
  const V x = a, y = b;
  a = __builtin_shufflevector(x, y, (K & S ? W + K - S : K)...);
  b = __builtin_shufflevector(x, y, (K & S ? W + K : K + S)...);
}

template <int S, int W, class V> INLINE void transpose_bits(V *v)
{
  for (int k = 0; k < W; k++)
    if (!(k & S)) trade_lanes<S>(v[k], v[k + S], typename IndicesUpTo<W>::All());
  if constexpr (S > 1) transpose_bits<S / 2, W>(v);
}
#endif

/* to[k][e] = from[e][k] for as many e and k as a vector has lanes; rows of either are `in` and
   `out` numbers long. */
template <class T> INLINE void transpose(const T *from, long in, T *to, long out)
{
  constexpr int W = Vector<T>::lanes;
#ifdef LAMPLIGHTER_SHUFFLE
  typename Vector<T>::V v[W];
  for (int e = 0; e < W; e++) v[e] = load(from + e * in);
  transpose_bits<W / 2, W>(v);
  for (int k = 0; k < W; k++) store(to + k * out, v[k]);
#else
  for (int e = 0; e < W; e++)
    for (int k = 0; k < W; k++) to[k * out + e] = from[e * in + k];
#endif
}
