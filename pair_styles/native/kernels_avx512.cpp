// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops for x86-64 processors with avx512; nothing elsewhere. */

#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#define LAMPLIGHTER_VECTOR_BYTES 64

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
namespace lamplighter {
namespace avx512 {
#include "kernels_impl.h"
}
}    // namespace lamplighter
#pragma GCC pop_options

namespace lamplighter {
static bool supported()
{
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
const Kernels<float> *kernels_avx512_float()
{
  return supported() ? avx512::table<float>() : nullptr;
}
const Kernels<double> *kernels_avx512_double()
{
  return supported() ? avx512::table<double>() : nullptr;
}
}    // namespace lamplighter

#else

namespace lamplighter {
const Kernels<float> *kernels_avx512_float()
{
  return nullptr;
}
const Kernels<double> *kernels_avx512_double()
{
  return nullptr;
}
}    // namespace lamplighter

#endif
