// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_SCREENED_REPULSION_H
#define LAMPLIGHTER_SCREENED_REPULSION_H

#include "kernels.h"

#include <vector>

namespace lamplighter {

/* What an atom has of the repulsion between its nucleus and another (Ziegler, Biersack and
   Littmark, with the constants of LAMMPS' pair_style zbl): `prefactor` (eV A) times zi zj / r times
   the screening, times a polynomial cutoff of a power.

   Four exponentials for each pair would take about as long as a small network. The energy times the
   distance is smooth, and is kept as a polynomial of fifth degree for each interval, which has the
   right value, slope and curvature at both ends. */
class ScreenedRepulsion {
 public:
  ScreenedRepulsion(double zi, double zj, double prefactor, double cutoff, double power);

  /* Energy (eV) and its derivative (eV/A) at a distance below the cutoff. */
  double energy(double r, double &slope) const;

 private:
  Nodes nodes_;
  std::vector<double> coefficients_;    // [interval][6]
};

}    // namespace lamplighter

#endif
