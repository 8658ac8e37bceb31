// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_PRESENT_ATOMS_H
#define LAMPLIGHTER_PRESENT_ATOMS_H

#include "pointers.h"

#include <cstdint>
#include <string>
#include <vector>

namespace LAMMPS_NS {

/* Which atoms are there for a model that counts all neighbours of an atom. `neigh_modify exclude`
   takes pairs out of the neighbour lists: an atom that is excluded from every other one of group
   all
   (`exclude group GROUP all`; a molecule that fix gcmc tries to delete) is not there. Any other
   exclusion leaves atoms with a part of their neighbours, for which no energy is defined. */
class PresentAtoms : protected Pointers {
 public:
  PresentAtoms(class LAMMPS *);

  /* Of the neighbour lists as they were just built. Returns the exclusion that cuts pairs of atoms
     that are there, as the user would write it, or nothing; the same on all ranks. Collective. */
  std::string find();

  bool all() const { return all_; }
  bool has(int i) const { return all_ || there_[i]; }    // local atom i
  bigint count() const;                                  // over all ranks

  /* For the C interface: 1 for each local atom that is not there; null where all are. */
  const int32_t *absent() const { return all_ ? nullptr : absent_.data(); }

 private:
  /* Atoms of one type in the same groups, as far as exclusions name them. */
  struct Sort {
    int type, groups;
  };

  bool all_;
  bigint count_;
  std::vector<char> there_;
  std::vector<int32_t> absent_;

  int groups_named() const;
  std::vector<Sort> sorts_of_all_ranks(int groups) const;
  bool in_lists(const Sort &) const;
  std::string exclusion(const Sort &, const Sort &) const;
  std::string molecule_exclusion() const;
};

}    // namespace LAMMPS_NS

#endif
