// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BROKEN_STRUCTURE_H
#define LAMPLIGHTER_BROKEN_STRUCTURE_H

#include "native/radial_table.h"

#include <string>

namespace LAMMPS_NS {

/* Atoms closer than this, Angstrom, are a broken structure and not physics. */
constexpr double OVERLAP = lamplighter::SHORTEST_DISTANCE;

/* The message that rows i and j of the atoms, `distance` apart, overlap. */
std::string overlap_of(class LAMMPS *, int i, int j, double distance);

/* The message that a local atom's position is not a number, or nothing where all are. */
std::string position_that_is_no_number(class LAMMPS *);

}    // namespace LAMMPS_NS

#endif
