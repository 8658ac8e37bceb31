// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_GATHER_ALL_H
#define LAMPLIGHTER_GATHER_ALL_H

#include <mpi.h>
#include <vector>

namespace LAMMPS_NS {

/* What all ranks have, rank by rank, on every rank. Collective. */
template <class T>
std::vector<T> gather_all(const std::vector<T> &mine, MPI_Datatype type, MPI_Comm world)
{
  int nprocs;
  MPI_Comm_size(world, &nprocs);
  const int count = (int) mine.size();
  std::vector<int> counts(nprocs), offsets(nprocs, 0);
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, world);
  for (int p = 1; p < nprocs; p++) offsets[p] = offsets[p - 1] + counts[p - 1];
  std::vector<T> all(offsets.back() + counts.back());
  MPI_Allgatherv(mine.data(), count, type, all.data(), counts.data(), offsets.data(), type, world);
  return all;
}

}    // namespace LAMMPS_NS

#endif
