// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_JET_H
#define LAMPLIGHTER_JET_H

#include <cmath>

namespace lamplighter {

/* A number with its first and second derivative with respect to the distance. */
struct Jet {
  double v, d, c;
};

inline Jet operator+(const Jet &a, const Jet &b)
{
  return {a.v + b.v, a.d + b.d, a.c + b.c};
}
inline Jet operator*(const Jet &a, const Jet &b)
{
  return {a.v * b.v, a.d * b.v + a.v * b.d, a.c * b.v + 2.0 * a.d * b.d + a.v * b.c};
}
inline Jet operator*(double a, const Jet &b)
{
  return {a * b.v, a * b.d, a * b.c};
}
inline Jet operator+(double a, const Jet &b)
{
  return {a + b.v, b.d, b.c};
}

/* f(a), given f and its derivatives at a.v. */
inline Jet chain(const Jet &a, double f, double slope, double curvature)
{
  return {f, slope * a.d, curvature * a.d * a.d + slope * a.c};
}
inline Jet reciprocal(const Jet &a)
{
  const double f = 1.0 / a.v;
  return chain(a, f, -f * f, 2.0 * f * f * f);
}
inline Jet power(const Jet &a, double p)
{
  const double f = std::pow(a.v, p);
  return chain(a, f, p * f / a.v, p * (p - 1.0) * f / (a.v * a.v));
}
inline Jet exponential(const Jet &a)
{
  const double f = std::exp(a.v);
  return chain(a, f, f, f);
}
inline Jet hyperbolic_tangent(const Jet &a)
{
  const double f = std::tanh(a.v), slope = 1.0 - f * f;
  return chain(a, f, slope, -2.0 * f * slope);
}
inline Jet silu(const Jet &a)
{
  const double s = 1.0 / (1.0 + std::exp(-a.v)), ds = s * (1.0 - s);
  return chain(a, a.v * s, s + a.v * ds, 2.0 * ds + a.v * ds * (1.0 - 2.0 * s));
}

/* 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), x = r / r_max */
inline Jet envelope(const Jet &r, double r_max, double p)
{
  if (r.v >= r_max) return {0.0, 0.0, 0.0};
  const Jet x = (1.0 / r_max) * r;
  const Jet xp = power(x, p);
  return 1.0 +
      xp * (-0.5 * (p + 1.0) * (p + 2.0) + (p * (p + 2.0)) * x + (-0.5 * p * (p + 1.0)) * x * x);
}

}    // namespace lamplighter

#endif
