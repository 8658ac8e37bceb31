// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_RESULTS_H
#define LAMPLIGHTER_RESULTS_H

#include <cstddef>

namespace lamplighter {

/* Results, all added to what is there: eV, eV/Angstrom, eV. Null: not wanted. */
struct Results {
  double energy;
  double *f;                     // [rows][3]
  double *eatoms;                // [nlocal]
  double *virial;                // [6] xx yy zz xy xz yz
  double *vatom;                 // [rows][6]
  double *features = nullptr;    // [nlocal][layers][channels]: scalars after each layer, set
  // [nlocal][what the last linear layers of readouts see, one after another], set
  double *readout_inputs = nullptr;
};

/* Add the force f of the pair of rows i and j on i; r goes from i to j. The virial of a pair is
   -r (x) f, and i and j take half of it each, which is how MACE divides its own atomic virials. */
inline void add_pair_force(std::size_t i, std::size_t j, const double *r, const double *f,
                           Results &results)
{
  double *fi = results.f + 3 * i, *fj = results.f + 3 * j;
  for (int k = 0; k < 3; k++) {
    fi[k] += f[k];
    fj[k] -= f[k];
  }
  if (!results.virial && !results.vatom) return;
  const double v[6] = {-r[0] * f[0],
                       -r[1] * f[1],
                       -r[2] * f[2],
                       -0.5 * (r[0] * f[1] + r[1] * f[0]),
                       -0.5 * (r[0] * f[2] + r[2] * f[0]),
                       -0.5 * (r[1] * f[2] + r[2] * f[1])};
  if (results.virial)
    for (int k = 0; k < 6; k++) results.virial[k] += v[k];
  if (results.vatom)
    for (int k = 0; k < 6; k++) {
      results.vatom[6 * i + k] += 0.5 * v[k];
      results.vatom[6 * j + k] += 0.5 * v[k];
    }
}

}    // namespace lamplighter

#endif
