// SPDX-License-Identifier: GPL-2.0-or-later

#include "stop_all.h"

#include "comm.h"
#include "error.h"
#include "lammps.h"

using namespace LAMMPS_NS;

void LAMMPS_NS::stop_all_if(LAMMPS *lmp, const std::string &problem)
{
  const std::string text = first_of_ranks(lmp, problem);
  if (!text.empty()) lmp->error->all(FLERR, text);
}

std::string LAMMPS_NS::first_of_ranks(LAMMPS *lmp, const std::string &mine)
{
  const int nprocs = lmp->comm->nprocs;
  const int rank = mine.empty() ? nprocs : lmp->comm->me;
  int first;
  MPI_Allreduce(&rank, &first, 1, MPI_INT, MPI_MIN, lmp->world);
  return first == nprocs ? "" : text_of_rank(lmp, first, mine);
}

std::string LAMMPS_NS::text_of_rank(LAMMPS *lmp, int rank, const std::string &mine)
{
  int length = (int) mine.size();
  MPI_Bcast(&length, 1, MPI_INT, rank, lmp->world);
  std::string text = mine;
  text.resize(length);
  MPI_Bcast(&text[0], length, MPI_CHAR, rank, lmp->world);
  return text;
}
