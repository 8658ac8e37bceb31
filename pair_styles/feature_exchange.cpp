// SPDX-License-Identifier: GPL-2.0-or-later

#include "feature_exchange.h"

#include "bridge.h"

#include "atom.h"
#include "comm.h"
#include "pair.h"
#include "timer.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

namespace {

template <typename T> void add_elements(char *to, const void *from, int count)
{
  T *sum = (T *) to;
  const T *term = (const T *) from;
  for (int k = 0; k < count; k++) sum[k] += term[k];
}

lamplighter_exchange_totals totals = {0.0, 0.0, 0, 0};

}    // namespace

TimedExchange::TimedExchange(LAMMPS *lmp, size_t row_bytes, int messages)
{
  if (lmp->timer->has_sync()) {
    const double met = platform::walltime();
    MPI_Barrier(lmp->world);
    totals.waiting += platform::walltime() - met;
  }
  began_ = platform::walltime();
  totals.bytes += (int64_t) row_bytes;
  totals.rounds += messages;
}

TimedExchange::~TimedExchange()
{
  totals.seconds += platform::walltime() - began_;
}

FeatureExchange::FeatureExchange(LAMMPS *lmp, Pair *through) :
    Pointers(lmp), through_(through), rows_(nullptr), stride_(0), offset_(0), chunk_bytes_(0),
    chunk_elements_(0), element_bytes_(8)
{
}

void FeatureExchange::forward(const void *in, void *out, int width, int element_size)
{
  const int most = MAX_DOUBLES_PER_MESSAGE * (8 / element_size);
  const TimedExchange timed(lmp, (size_t) width * element_size, (width + most - 1) / most);
  begin(in, out, atom->nlocal, width, element_size);
  for (int first = 0; first < width; first += most) {
    set_chunk(first, std::min(most, width - first));
    comm->forward_comm(through_, doubles_of_chunk());
  }
}

void FeatureExchange::reverse(const void *in, void *out, int width, int element_size)
{
  const int most = MAX_DOUBLES_PER_MESSAGE * (8 / element_size);
  const TimedExchange timed(lmp, (size_t) width * element_size, (width + most - 1) / most);
  const size_t nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  begin(in, out, nall, width, element_size);
  for (int first = 0; first < width; first += most) {
    set_chunk(first, std::min(most, width - first));
    comm->reverse_comm(through_, doubles_of_chunk());
  }
  if (nall > nlocal) memset(rows_ + stride_ * nlocal, 0, stride_ * (nall - nlocal));
}

/* The rows are exchanged where `out` has them. */

void FeatureExchange::begin(const void *in, void *out, size_t nrows, int width, int element_size)
{
  element_bytes_ = element_size;
  stride_ = (size_t) width * element_size;
  if (nrows && in != out) memcpy(out, in, stride_ * nrows);
  rows_ = (char *) out;
}

void FeatureExchange::set_chunk(int first, int count)
{
  offset_ = (size_t) first * element_bytes_;
  chunk_elements_ = count;
  chunk_bytes_ = (size_t) count * element_bytes_;
}

int FeatureExchange::doubles_of_chunk() const
{
  return (chunk_elements_ * element_bytes_ + 7) / 8;
}

int FeatureExchange::pack_forward(int n, const int *sendlist, double *buf) const
{
  const int doubles = doubles_of_chunk();
  for (int i = 0; i < n; i++)
    memcpy(buf + (size_t) i * doubles, rows_ + stride_ * sendlist[i] + offset_, chunk_bytes_);
  return n * doubles;
}

void FeatureExchange::unpack_forward(int n, int first, const double *buf)
{
  const int doubles = doubles_of_chunk();
  for (int i = 0; i < n; i++)
    memcpy(rows_ + stride_ * (first + i) + offset_, buf + (size_t) i * doubles, chunk_bytes_);
}

int FeatureExchange::pack_reverse(int n, int first, double *buf) const
{
  const int doubles = doubles_of_chunk();
  for (int i = 0; i < n; i++)
    memcpy(buf + (size_t) i * doubles, rows_ + stride_ * (first + i) + offset_, chunk_bytes_);
  return n * doubles;
}

void FeatureExchange::unpack_reverse(int n, const int *sendlist, const double *buf)
{
  const int doubles = doubles_of_chunk();
  for (int i = 0; i < n; i++) {
    char *to = rows_ + stride_ * sendlist[i] + offset_;
    const double *from = buf + (size_t) i * doubles;
    if (element_bytes_ == 8)
      add_elements<double>(to, from, chunk_elements_);
    else
      add_elements<float>(to, from, chunk_elements_);
  }
}

/* Called by models, with what their request had as `pair`. No exception crosses the C interface. */

extern "C" int lamplighter_forward_exchange(void *pair, const void *in, void *out, int32_t width,
                                            int32_t element_size)
{
  try {
    static_cast<FeatureExchange *>(pair)->forward(in, out, width, element_size);
  } catch (...) {
    return 1;
  }
  return 0;
}

extern "C" int lamplighter_reverse_exchange(void *pair, const void *in, void *out, int32_t width,
                                            int32_t element_size)
{
  try {
    static_cast<FeatureExchange *>(pair)->reverse(in, out, width, element_size);
  } catch (...) {
    return 1;
  }
  return 0;
}

extern "C" void lamplighter_exchange_timing(lamplighter_exchange_totals *found)
{
  *found = totals;
}
