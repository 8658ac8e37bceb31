// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops for x86-64 processors with avx2; nothing elsewhere. */

#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#define LAMPLIGHTER_VECTOR_BYTES 32

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace lamplighter {
namespace avx2 {
#include "kernels_impl.h"
}
}    // namespace lamplighter
#pragma GCC pop_options

namespace lamplighter {
static bool supported()
{
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
const Kernels<float> *kernels_avx2_float()
{
  return supported() ? avx2::table<float>() : nullptr;
}
const Kernels<double> *kernels_avx2_double()
{
  return supported() ? avx2::table<double>() : nullptr;
}
}    // namespace lamplighter

#else

namespace lamplighter {
const Kernels<float> *kernels_avx2_float()
{
  return nullptr;
}
const Kernels<double> *kernels_avx2_double()
{
  return nullptr;
}
}    // namespace lamplighter

#endif
