// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops of convolutions for x86-64 processors with avx2; nothing elsewhere. */

#include "convolution_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#define LAMPLIGHTER_VECTOR_BYTES 32

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace lamplighter {
namespace avx2_convolution {
#include "convolution_impl.h"
}
}    // namespace lamplighter
#pragma GCC pop_options

namespace lamplighter {
static bool supported()
{
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
const ConvolutionKernels<float> *convolution_avx2_float()
{
  return supported() ? avx2_convolution::table<float>() : nullptr;
}
const ConvolutionKernels<double> *convolution_avx2_double()
{
  return supported() ? avx2_convolution::table<double>() : nullptr;
}
}    // namespace lamplighter

#else

namespace lamplighter {
const ConvolutionKernels<float> *convolution_avx2_float()
{
  return nullptr;
}
const ConvolutionKernels<double> *convolution_avx2_double()
{
  return nullptr;
}
}    // namespace lamplighter

#endif
