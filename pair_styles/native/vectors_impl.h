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

#ifdef LAMPLIGHTER_SHUFFLE
template <int... K> struct Indices {};
template <int N, int... K> struct IndicesUpTo : IndicesUpTo<N - 1, N - 1, K...> {};
template <int... K> struct IndicesUpTo<0, K...> {
  typedef Indices<K...> All;
};

/* Lanes whose number lacks the bit S hold the sums of pairs of lanes of a, the others those of b:
   one of the two halves of each vector stays where it is. */
template <int S, class V, int... K> INLINE V fold_lanes(const V &a, const V &b, Indices<K...>)
{
  constexpr int W = sizeof...(K);
  return __builtin_shufflevector(a, b, (K & S ? W + K : K)...) +
      __builtin_shufflevector(a, b, ((K & S ? W : 0) + (K ^ S))...);
}

template <int S, int W, class V> INLINE V fold_vectors(V *v)
{
  for (int k = 0; k < S; k++) v[k] = fold_lanes<S>(v[k], v[k + S], typename IndicesUpTo<W>::All());
  if constexpr (S > 1) fold_vectors<S / 2, W>(v);
  return v[0];
}
#endif

/* Lane k of the result is the sum of the lanes of v[k]: half of the vectors, and half of each, at a
   time. Spoils v. */
template <class T> INLINE typename Vector<T>::V sums_of_lanes(typename Vector<T>::V *v)
{
  constexpr int W = Vector<T>::lanes;
#ifdef LAMPLIGHTER_SHUFFLE
  return fold_vectors<W / 2, W>(v);
#else
  typename Vector<T>::V total{};
  for (int k = 0; k < W; k++) total[k] = sum_of_lanes<T>(v[k]);
  return total;
#endif
}

#ifdef LAMPLIGHTER_SHUFFLE
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
