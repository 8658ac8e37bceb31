// SPDX-License-Identifier: GPL-2.0-or-later
/* The inner loops of convolutions for any processor, and the choice of those that are wanted. */

#include "convolution_kernels.h"

#include <cstring>

#define LAMPLIGHTER_VECTOR_BYTES 16

namespace lamplighter {
namespace baseline_convolution {
#include "convolution_impl.h"
}

const ConvolutionKernels<float> *convolution_baseline_float()
{
  return baseline_convolution::table<float>();
}
const ConvolutionKernels<double> *convolution_baseline_double()
{
  return baseline_convolution::table<double>();
}

template <> const ConvolutionKernels<float> &convolution_kernels<float>(const char *name)
{
  return *(strcmp(name, "avx512") == 0     ? convolution_avx512_float()
               : strcmp(name, "avx2") == 0 ? convolution_avx2_float()
                                           : convolution_baseline_float());
}
template <> const ConvolutionKernels<double> &convolution_kernels<double>(const char *name)
{
  return *(strcmp(name, "avx512") == 0     ? convolution_avx512_double()
               : strcmp(name, "avx2") == 0 ? convolution_avx2_double()
                                           : convolution_baseline_double());
}

}    // namespace lamplighter
