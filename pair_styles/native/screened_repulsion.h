// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_SCREENED_REPULSION_H
#define LAMPLIGHTER_SCREENED_REPULSION_H

#include "jet.h"

namespace lamplighter {

/* What atom i has of the repulsion of two nuclei (Ziegler, Biersack and Littmark, with the
   constants of LAMMPS' pair_style zbl), eV, and its derivatives: `prefactor` (eV A) times zi zj / r
   times the screening, times a polynomial cutoff of a power. */
Jet screened_repulsion(double r, double zi, double zj, double prefactor, double cutoff,
                       double power);

}    // namespace lamplighter

#endif
