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

/* What all ranks have, rank by rank, on the first rank; nothing on the others. Collective. */
template <class T>
std::vector<T> gather_on_first(const std::vector<T> &mine, MPI_Datatype type, MPI_Comm world)
{
  int nprocs, me;
  MPI_Comm_size(world, &nprocs);
  MPI_Comm_rank(world, &me);
  const int count = (int) mine.size();
  std::vector<int> counts(nprocs), offsets(nprocs, 0);
  MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
  for (int p = 1; p < nprocs; p++) offsets[p] = offsets[p - 1] + counts[p - 1];
  std::vector<T> all(me == 0 ? offsets.back() + counts.back() : 0);
  MPI_Gatherv(mine.data(), count, type, all.data(), counts.data(), offsets.data(), type, 0, world);
  return all;
}

/* What each rank has, one rank after the other, on every rank; never the whole at once. Collective.
 */
template <class T, class Take>
void for_each_rank(const std::vector<T> &mine, MPI_Datatype type, MPI_Comm world, Take take)
{
  int nprocs, me;
  MPI_Comm_size(world, &nprocs);
  MPI_Comm_rank(world, &me);
  std::vector<T> theirs;
  for (int rank = 0; rank < nprocs; rank++) {
    int count = (int) mine.size();
    MPI_Bcast(&count, 1, MPI_INT, rank, world);
    if (rank == me)
      theirs = mine;
    else
      theirs.resize(count);
    MPI_Bcast(theirs.data(), count, type, rank, world);
    take(theirs);
  }
}

}    // namespace LAMMPS_NS

#endif
