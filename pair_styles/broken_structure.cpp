// SPDX-License-Identifier: GPL-2.0-or-later

#include "broken_structure.h"

#include "atom.h"
#include "lammps.h"
#include "update.h"
#include "utils.h"

#include <cmath>

using namespace LAMMPS_NS;

std::string LAMMPS_NS::overlap_of(LAMMPS *lmp, int i, int j, double distance)
{
  const tagint *tag = lmp->atom->tag;
  return fmt::format("Atoms {} and {} overlap at step {}: they are {:.4g} Angstrom apart, "
                     "less than {} Angstrom; check the structure, or minimise it with a "
                     "repulsive pair style first",
                     tag[i], tag[j], lmp->update->ntimestep, distance, OVERLAP);
}

std::string LAMMPS_NS::position_that_is_no_number(LAMMPS *lmp)
{
  double **x = lmp->atom->x;
  for (int i = 0; i < lmp->atom->nlocal; i++)
    if (!std::isfinite(x[i][0] + x[i][1] + x[i][2]))
      return fmt::format("Atom {} has the position ({}, {}, {}) at step {}: the run has become "
                         "unstable, or the structure that it started from holds such numbers",
                         lmp->atom->tag[i], x[i][0], x[i][1], x[i][2], lmp->update->ntimestep);
  return "";
}
