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

/* Where several members are evaluated, each takes so many blocks before the next one does: its
   tables and matrices then stay in the second-level cache, which those of all would not fit in. */
constexpr int BLOCKS_AT_ONCE = 4;

/* Atoms of the list that follow each other. */
struct AtomBlock {
  int slot;    // of BLOCKS_AT_ONCE: where their neighbours are
  int count;
  int i[ATOMS_AT_ONCE], species[ATOMS_AT_ONCE];
};

/* The neighbours of one atom within the cutoff, and what follows from their positions. */
template <class T> struct AtomEdges {
  Array<double> vectors;
  Array<T> geometry;
  std::vector<int> interval, neighbour, species;
  std::vector<double> stretch;    // where pairs have cutoffs of their own
  std::vector<long> table_at, vector_table_at, sent_at;
  Edges<T> edges;

  const T *factors_of(int e) const
  {
    return edges.factors + (size_t) (e / FEW) * FEW * edges.nfactors + e % FEW;
  }
};

/* The neighbours of all atoms, block by block: which are within the cutoff is found in the first
   pass and kept, all else is made again.

   Where pairs of species have cutoffs of their own, radial functions depend on the distance in
   units of the pair's. All that is made of a pair is made of its vector stretched by the ratio of
   the model's cutoff and the pair's, and the force along the true vector is that ratio times what
   comes out: one table serves all pairs. */
template <class T> class Neighbourhoods {
 public:
  Neighbourhoods(const Kernels<T> &, double cutoff, int l_max, const Nodes &,
                 const std::vector<int> &species_of_type,
                 const std::vector<double> &cutoffs = {});    // [species of atom][of neighbour]

  void begin();    // an evaluation
  /* The atoms of the list from `begin` on, in as many blocks as there are, up to `most`. They are
     valid until the next ones are taken. */
  const std::vector<AtomBlock> &take_blocks(const Atoms &, int begin, int most, bool first_pass);
  AtomEdges<T> &of(const AtomBlock &block, int a)
  {
    return near_[(size_t) block.slot * ATOMS_AT_ONCE + a];
  }
  const Overlap &overlap() const { return overlap_; }
  /* The forces of all edges of an atom, f = dE / d(x_j - x_i), and their virial. */
  void add_forces(const AtomBlock &, int a, Results &) const;
  size_t memory() const;    // bytes

 private:
  const Kernels<T> &kernels_;
  double cutoff_;
  int l_max_;
  Nodes nodes_;
  std::vector<int> species_of_type_;
  int nspecies_;
  std::vector<double> stretch_;    // [species of atom][of neighbour]; empty: one cutoff
  std::vector<AtomBlock> blocks_;
  std::vector<AtomEdges<T>> near_;    // [slot][atom of the block]
  // neighbours within the cutoff of all atoms of the list, one after the other, and where each
  // atom's begin
  std::vector<int> within_;
  std::vector<size_t> within_from_;
  Overlap overlap_;

  void reserve(AtomEdges<T> &, int wanted);
  void find(const Atoms &, int i, AtomEdges<T> &);
  double stretch(const Atoms &atoms, int i, int j) const
  {
    return stretch_[(size_t) species_of_type_[atoms.type[i]] * nspecies_ +
                    species_of_type_[atoms.type[j]]];
  }
  int within_own_cutoffs(const Atoms &, int i, int *within, int count) const;
  void describe(const Atoms &, int i, const int *within, int count, AtomEdges<T> &);
  AtomBlock take_block(const Atoms &, int slot, int begin, bool first_pass);
};

}    // namespace lamplighter

#endif
