// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops for any processor, and the choice of the best ones. */

#include "kernels.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#define LAMPLIGHTER_VECTOR_BYTES 16

namespace lamplighter {
namespace baseline {
#include "kernels_impl.h"
}

const Kernels<float> *kernels_baseline_float()
{
  return baseline::table<float>();
}
const Kernels<double> *kernels_baseline_double()
{
  return baseline::table<double>();
}

namespace {
template <class T> struct Choices;
template <> struct Choices<float> {
  static const Kernels<float> *get(int k)
  {
    return k == 0 ? kernels_avx512_float()
        : k == 1  ? kernels_avx2_float()
                  : kernels_baseline_float();
  }
};
template <> struct Choices<double> {
  static const Kernels<double> *get(int k)
  {
    return k == 0 ? kernels_avx512_double()
        : k == 1  ? kernels_avx2_double()
                  : kernels_baseline_double();
  }
};
}    // namespace

template <class T> const Kernels<T> &best_kernels(const char **name)
{
  static const char *const names[3] = {"avx512", "avx2", "baseline"};
  const char *wanted = getenv("LAMPLIGHTER_SIMD");
  if (wanted && !*wanted) wanted = nullptr;
  for (int k = 0; k < 3; k++) {
    if (wanted && strcmp(wanted, names[k]) != 0) continue;
    const Kernels<T> *kernels = Choices<T>::get(k);
    if (kernels) {
      *name = names[k];
      return *kernels;
    }
  }
  throw std::runtime_error(std::string("LAMPLIGHTER_SIMD=") + wanted +
                           " cannot run here: leave it unset, or set it to baseline");
}
template const Kernels<float> &best_kernels<float>(const char **);
template const Kernels<double> &best_kernels<double>(const char **);

}    // namespace lamplighter
