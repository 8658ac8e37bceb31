// SPDX-License-Identifier: GPL-2.0-or-later
/* What one core can do: multiplications and additions in registers, and reading from memory.
   Prints "name value" lines: GFLOP/s and GB/s, the best of many short turns, in processor time. */

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int BYTES = VECTOR_BYTES;

template <class T> struct Of {
  typedef T V __attribute__((vector_size(BYTES)));
};

double now()
{
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

/* Twelve independent chains of multiply-add: more than latency times throughput of any processor at
 * hand. */
template <class T> double multiply_add()
{
  typedef typename Of<T>::V V;
  constexpr int CHAINS = 12, REPEATS = 200000;
  double best = 0.0;
  for (int turn = 0; turn < 100; turn++) {
    V sum[CHAINS], x, y;
    for (int k = 0; k < BYTES / (int) sizeof(T); k++) {
      x[k] = (T) 0.999999;
      y[k] = (T) 1e-7;
    }
    for (V &s : sum) {
      s = x;
      asm volatile("" : "+x"(s));    // or the compiler sees that all chains are alike
    }
    const double began = now();
    for (int n = 0; n < REPEATS; n++) {
      for (V &s : sum) s = s * x + y;
      asm volatile("" : "+x"(x), "+x"(y));
    }
    const double took = now() - began;
    T total = 0;
    for (V &s : sum)
      for (int k = 0; k < BYTES / (int) sizeof(T); k++) total += s[k];
    if (total == 12345) puts("");    // the sums must not be optimised away
    best = std::max(best, 2e-9 * REPEATS * CHAINS * (BYTES / sizeof(T)) / took);
  }
  return best;
}

/* Reading an array of this size over and over. */
double read(size_t bytes)
{
  typedef Of<double>::V V;
  const size_t n = bytes / sizeof(V);
  V *data = (V *) aligned_alloc(64, bytes);
  for (size_t k = 0; k < n; k++) data[k] = V{};
  const int passes = (int) std::max<size_t>(1, ((size_t) 1 << 26) / bytes);
  double best = 0.0;
  for (int turn = 0; turn < 40; turn++) {
    V sum[8] = {};
    const double began = now();
    for (int pass = 0; pass < passes; pass++) {
      for (size_t k = 0; k + 8 <= n; k += 8)
        for (int u = 0; u < 8; u++) sum[u] += data[k + u];
      asm volatile("" ::: "memory");
    }
    const double took = now() - began;
    V total{};
    for (const V &s : sum) total += s;
    if (total[0] == 12345) puts("");
    best = std::max(best, 1e-9 * (double) bytes * passes / took);
  }
  free(data);
  return best;
}

}    // namespace

int main()
{
  printf("float64 %.1f\n", multiply_add<double>());
  printf("float32 %.1f\n", multiply_add<float>());
  printf("first %.1f\n", read((size_t) 16 << 10));
  printf("second %.1f\n", read((size_t) 256 << 10));
  printf("third %.1f\n", read((size_t) 4 << 20));
  printf("memory %.1f\n", read((size_t) 128 << 20));
}
