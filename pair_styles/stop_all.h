// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_STOP_ALL_H
#define LAMPLIGHTER_STOP_ALL_H

#include <string>

namespace LAMMPS_NS {

/* Ends the run on all ranks with the message of the first rank that has one; returns where none
   has. Collective. */
void stop_all_if(class LAMMPS *, const std::string &problem);

/* The text of the first rank whose text is not empty, on all ranks; empty where all are.
   Collective. */
std::string first_of_ranks(class LAMMPS *, const std::string &text);

/* The text of one rank, on all ranks. Collective. */
std::string text_of_rank(class LAMMPS *, int rank, const std::string &text);

}    // namespace LAMMPS_NS

#endif
