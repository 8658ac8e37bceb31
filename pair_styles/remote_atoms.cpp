// SPDX-License-Identifier: GPL-2.0-or-later

#include "remote_atoms.h"

#include "feature_exchange.h"

#include "atom.h"
#include "comm.h"

#include <algorithm>
#include <cstring>
#include <tuple>

using namespace LAMMPS_NS;

namespace {

constexpr int TAG = 1;    // LAMMPS' own messages have 0

std::vector<int> sums_before(const std::vector<int> &counts)
{
  std::vector<int> sums(counts.size() + 1, 0);
  for (size_t k = 0; k < counts.size(); k++) sums[k + 1] = sums[k] + counts[k];
  return sums;
}

template <class T> void add_row(char *to, const char *from, int width)
{
  T *sum = (T *) to;
  const T *term = (const T *) from;
  for (int k = 0; k < width; k++) sum[k] += term[k];
}

}    // namespace

RemoteAtoms::RemoteAtoms(LAMMPS *lmp) : Pointers(lmp), nlocal_(0), nremote_(0) {}

void RemoteAtoms::find(FeatureExchange &exchange)
{
  nlocal_ = atom->nlocal;
  const int nall = nlocal_ + atom->nghost, me = comm->me, nprocs = comm->nprocs;
  std::vector<int> whose(2 * (size_t) nall);    // rank and row there
  for (int i = 0; i < nlocal_; i++) {
    whose[2 * (size_t) i] = me;
    whose[2 * (size_t) i + 1] = i;
  }
  exchange.forward(whose.data(), whose.data(), 2, sizeof(int));

  row_of_.resize(nall);
  std::vector<std::tuple<int, int, int>> remote;    // rank, row there, ghost
  for (int i = 0; i < nall; i++) {
    const int rank = whose[2 * (size_t) i], row = whose[2 * (size_t) i + 1];
    if (rank == me)
      row_of_[i] = row;
    else
      remote.emplace_back(rank, row, i);
  }
  std::sort(remote.begin(), remote.end());

  here_.assign(nprocs, 0);
  std::vector<int> wanted;    // rows on the other ranks
  for (size_t k = 0; k < remote.size(); k++) {
    const auto [rank, row, ghost] = remote[k];
    if (k == 0 || rank != std::get<0>(remote[k - 1]) || row != std::get<1>(remote[k - 1])) {
      wanted.push_back(row);
      here_[rank]++;
    }
    row_of_[ghost] = nlocal_ + (int) wanted.size() - 1;
  }
  nremote_ = (int) wanted.size();

  there_.assign(nprocs, 0);
  MPI_Alltoall(here_.data(), 1, MPI_INT, there_.data(), 1, MPI_INT, world);
  here_from_ = sums_before(here_);
  there_from_ = sums_before(there_);
  sent_.resize(there_from_.back());
  MPI_Alltoallv(wanted.data(), here_.data(), here_from_.data(), MPI_INT, sent_.data(),
                there_.data(), there_from_.data(), MPI_INT, world);
}

void RemoteAtoms::travel(char *rows, size_t stride, bool back)
{
  MPI_Datatype row;
  MPI_Type_contiguous((int) stride, MPI_BYTE, &row);
  MPI_Type_commit(&row);
  requests_.clear();
  const auto start = [&](bool receive, char *from, int count, int rank) {
    if (!count) return;
    requests_.emplace_back();
    if (receive)
      MPI_Irecv(from, count, row, rank, TAG, world, &requests_.back());
    else
      MPI_Isend(from, count, row, rank, TAG, world, &requests_.back());
  };
  for (const bool receive : {true, false})
    for (int rank = 0; rank < comm->nprocs; rank++) {
      if (receive == back)
        start(receive, buffer_.data() + stride * there_from_[rank], there_[rank], rank);
      else
        start(receive, rows + stride * (nlocal_ + here_from_[rank]), here_[rank], rank);
    }
  MPI_Waitall((int) requests_.size(), requests_.data(), MPI_STATUSES_IGNORE);
  MPI_Type_free(&row);
}

void RemoteAtoms::forward(void *data, int width, int size)
{
  const size_t stride = (size_t) width * size;
  const TimedExchange timed(lmp, stride);
  char *rows = (char *) data;
  buffer_.resize(stride * sent_.size());
  for (size_t k = 0; k < sent_.size(); k++)
    memcpy(buffer_.data() + stride * k, rows + stride * sent_[k], stride);
  travel(rows, stride, false);
}

void RemoteAtoms::reverse(void *data, int width, int size)
{
  const size_t stride = (size_t) width * size;
  const TimedExchange timed(lmp, stride);
  char *rows = (char *) data;
  buffer_.resize(stride * sent_.size());
  travel(rows, stride, true);
  for (size_t k = 0; k < sent_.size(); k++) {
    char *to = rows + stride * sent_[k];
    if (size == 8)
      add_row<double>(to, buffer_.data() + stride * k, width);
    else
      add_row<float>(to, buffer_.data() + stride * k, width);
  }
  if (nremote_) memset(rows + stride * nlocal_, 0, stride * nremote_);
}

double RemoteAtoms::memory() const
{
  return (double) (row_of_.capacity() + sent_.capacity()) * sizeof(int) +
      (double) buffer_.capacity();
}
