// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_ACTIVATIONS_H
#define LAMPLIGHTER_ACTIVATIONS_H

#include <cmath>

namespace lamplighter {

enum class Activation { NONE, SILU, TANH, SOFTPLUS, ABS, RELU, SIGMOID };

template <class T> inline T softplus(T x)
{
  return x > (T) 30 ? x : std::log1p(std::exp(x));
}

/* out = factor * f(x), and factor * f'(x) in place of x. */
template <class T> inline void activate(Activation activation, double factor, int n, T *x, T *out)
{
  const T k = (T) factor;
  for (int c = 0; c < n; c++) {
    const T a = x[c], s = 1 / (1 + std::exp(-a));
    T f = a, slope = 1;
    switch (activation) {
    case Activation::NONE:
      break;
    case Activation::SILU:
      f = a * s;
      slope = s + f * (1 - s);
      break;
    case Activation::TANH:
      f = std::tanh(a);
      slope = 1 - f * f;
      break;
    case Activation::SOFTPLUS:    // shifted, so that f(0) = 0
      f = softplus(a) - (T) 0.69314718055994531;
      slope = s;
      break;
    case Activation::ABS:
      f = std::fabs(a);
      slope = (T) (a > 0) - (T) (a < 0);
      break;
    case Activation::RELU:
      f = a > 0 ? a : 0;
      slope = (T) (a > 0);
      break;
    case Activation::SIGMOID:
      f = s;
      slope = s * (1 - s);
      break;
    }
    out[c] = k * f;
    x[c] = k * slope;
  }
}

}    // namespace lamplighter

#endif
