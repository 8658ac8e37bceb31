// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_FEATURE_EXCHANGE_H
#define LAMPLIGHTER_FEATURE_EXCHANGE_H

#include "pointers.h"

#include <cstddef>

namespace LAMMPS_NS {

/* A scope that exchanges rows: its time, messages to each neighbour and bytes of a row are added to
   what lamplighter_exchange_timing tells. Waits for other ranks first, as LAMMPS does before each
   part of a step that it times, if its timer synchronises: so that what is sent can be told from
   what is waited for. */
class TimedExchange {
 public:
  TimedExchange(class LAMMPS *, size_t row_bytes, int messages = 1);
  ~TimedExchange();

 private:
  double began_;
};

/* Rows of numbers, one for each atom and ghost, sent between ranks through the messages of a pair
   style: `width` elements of `element_size` bytes (4 or 8) each. LAMMPS sizes its buffers before a
   model is known, so wide rows travel in several messages. */
class FeatureExchange : protected Pointers {
 public:
  static constexpr int MAX_DOUBLES_PER_MESSAGE = 128;    // of one atom

  /* `through`: the pair style, whose communication functions are those below. */
  FeatureExchange(class LAMMPS *, class Pair *through);

  /* out = in for local rows; rows of ghosts become copies of their owners' rows. Collective. */
  void forward(const void *in, void *out, int width, int element_size);
  /* The adjoint: local rows of out are the sums of in over the atom and its ghosts on all ranks;
     rows of ghosts are zero. Collective. */
  void reverse(const void *in, void *out, int width, int element_size);

  int pack_forward(int n, const int *sendlist, double *buf) const;
  void unpack_forward(int n, int first, const double *buf);
  int pack_reverse(int n, int first, double *buf) const;
  void unpack_reverse(int n, const int *sendlist, const double *buf);

 private:
  class Pair *through_;
  // the rows that are being exchanged, of `stride_` bytes, of which `chunk_bytes_` from `offset_`
  // on are in this message
  char *rows_;
  size_t stride_, offset_, chunk_bytes_;
  int chunk_elements_, element_bytes_;

  void begin(const void *in, void *out, size_t nrows, int width, int element_size);
  void set_chunk(int first, int count);
  int doubles_of_chunk() const;
};

}    // namespace LAMMPS_NS

#endif
