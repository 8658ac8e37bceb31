// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops of convolutions for x86-64 processors with avx512; nothing elsewhere. */

#include "convolution_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#define LAMPLIGHTER_VECTOR_BYTES 64

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
namespace lamplighter {
namespace avx512_convolution {
#include "convolution_impl.h"
}
}    // namespace lamplighter
#pragma GCC pop_options

namespace lamplighter {
static bool supported()
{
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
const ConvolutionKernels<float> *convolution_avx512_float()
{
  return supported() ? avx512_convolution::table<float>() : nullptr;
}
const ConvolutionKernels<double> *convolution_avx512_double()
{
  return supported() ? avx512_convolution::table<double>() : nullptr;
}
}    // namespace lamplighter

#else

namespace lamplighter {
const ConvolutionKernels<float> *convolution_avx512_float()
{
  return nullptr;
}
const ConvolutionKernels<double> *convolution_avx512_double()
{
  return nullptr;
}
}    // namespace lamplighter

#endif
