// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_REMOTE_ATOMS_H
#define LAMPLIGHTER_REMOTE_ATOMS_H

#include "pointers.h"

#include <cstddef>
#include <mpi.h>
#include <vector>

namespace LAMMPS_NS {

/* The atoms of other ranks that this rank's ghosts stand for, each once, and rows of numbers sent
   for them. Ghosts are many: all periodic images of an atom, and those of this rank's own atoms. In
   a box of 12 Angstrom on two ranks there are sixteen times as many as atoms, and their features,
   which are wide, would take longer to send than to make. */
class RemoteAtoms : protected Pointers {
 public:
  explicit RemoteAtoms(class LAMMPS *);

  /* Ghosts are new. Collective. */
  void find(class FeatureExchange &);

  /* Rows of this rank's atoms, then those of the others' atoms. */
  int rows() const { return nlocal_ + nremote_; }
  /* The row of every atom and ghost. */
  const int *row_of() const { return row_of_.data(); }

  /* Rows of remote atoms become copies of their owners' rows: `width` numbers of `size` bytes (4 or
     8). Collective. */
  void forward(void *rows, int width, int size);
  /* The adjoint: rows of owners gain those that other ranks have of them, which become zero.
     Collective. */
  void reverse(void *rows, int width, int size);
  double memory() const;    // bytes

 private:
  int nlocal_, nremote_;
  std::vector<int> row_of_;
  // of each rank: how many of its atoms are here, how many of this rank's it has, and the sums of
  // those before it
  std::vector<int> here_, here_from_, there_, there_from_;
  std::vector<int> sent_;    // the local atoms that other ranks have, rank by rank
  std::vector<char> buffer_;
  std::vector<MPI_Request> requests_;

  /* Moves rows between `rows` and the buffer of rows that belong to sent_, in either direction. */
  void travel(char *rows, size_t stride, bool back);
};

}    // namespace LAMMPS_NS

#endif
