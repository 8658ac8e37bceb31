// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_NEIGHBOURHOODS_H
#define LAMPLIGHTER_NEIGHBOURHOODS_H

#include "kernels.h"
#include "native_evaluator.h"
#include "padded_arrays.h"

#include <cstddef>
#include <vector>

namespace lamplighter {

/* Atoms are treated this many at a time: enough to use a part of a table or matrix many times while
   it is in the first-level cache, few enough for their own data to stay in the second. */
constexpr int ATOMS_AT_ONCE = 16;

/* The atoms at hand. */
struct AtomBlock {
  int count;
  int i[ATOMS_AT_ONCE], species[ATOMS_AT_ONCE];
};

/* The neighbours of one atom within the cutoff, and what follows from their positions. */
template <class T> struct AtomEdges {
  Array<double> vectors;
  Array<T> geometry;
  std::vector<int> interval, neighbour, species;
  std::vector<long> table_at, sent_at;
  Edges<T> edges;
};

/* The neighbours of all atoms, block by block: which are within the cutoff is found in the first
   pass and kept, all else is made again. */
template <class T> class Neighbourhoods {
 public:
  Neighbourhoods(const Kernels<T> &, double cutoff, int l_max, double start, double spacing,
                 int intervals, const std::vector<int> &species_of_type);

  void begin();    // an evaluation
  /* The atoms of the list from `begin` on. */
  AtomBlock take_block(const Atoms &, int begin, bool first_pass);
  AtomEdges<T> &of(int a) { return near_[a]; }
  const Overlap &overlap() const { return overlap_; }
  /* The forces of all edges of atom i, f = dE / d(x_j - x_i), and their virial. */
  void add_forces(int a, int i, Results &) const;
  size_t memory() const;    // bytes

 private:
  const Kernels<T> &kernels_;
  double cutoff_;
  int l_max_;
  double start_, spacing_;
  int intervals_;
  std::vector<int> species_of_type_;
  AtomEdges<T> near_[ATOMS_AT_ONCE];
  // neighbours within the cutoff of all atoms of the list, one after the other, and where each
  // atom's begin
  std::vector<int> within_;
  std::vector<size_t> within_from_;
  Overlap overlap_;

  void reserve(AtomEdges<T> &, int wanted);
  void find(const Atoms &, int i, AtomEdges<T> &);
  void describe(const Atoms &, int i, const int *within, int count, AtomEdges<T> &);
};

}    // namespace lamplighter

#endif
