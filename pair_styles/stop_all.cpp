// SPDX-License-Identifier: GPL-2.0-or-later

#include "stop_all.h"

#include "comm.h"
#include "error.h"
#include "lammps.h"

using namespace LAMMPS_NS;

void LAMMPS_NS::stop_all_if(LAMMPS *lmp, const std::string &problem)
{
  const int nprocs = lmp->comm->nprocs;
  const int mine = problem.empty() ? nprocs : lmp->comm->me;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, lmp->world);
  if (first == nprocs) return;
  int length = (int) problem.size();
  MPI_Bcast(&length, 1, MPI_INT, first, lmp->world);
  std::string text = problem;
  text.resize(length);
  MPI_Bcast(&text[0], length, MPI_CHAR, first, lmp->world);
  lmp->error->all(FLERR, text);
}
