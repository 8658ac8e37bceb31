// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BOND_FINDER_H
#define LAMPLIGHTER_BOND_FINDER_H

#include "bond_words.h"
#include "pointers.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class BondsOfAtoms;
class CommandWords;

/* Which atoms are bonded: by their distance (docs/theory/bonds.md), by the topology of the data
   file, or by a list. */
class BondFinder : protected Pointers {
 public:
  /* `fix`: whose neighbour list and group count; `numbers`: as of GuardBonds; `bonds`: where they
     are put. */
  BondFinder(class LAMMPS *, class Fix *fix, const std::vector<int> &numbers, BondsOfAtoms &bonds);

  /* Takes the values of `bonds`, `tolerance`, `ions`, `bonded` or `unbonded`; false: the keyword is
     none of these. */
  bool take_keyword(const std::string &key, CommandWords &);

  void ask_for_list();    // a neighbour list, where one is needed
  void set_list(class NeighList *list) { list_ = list; }
  /* Finds the bonds, each with its present length, or the one that the list has. Collective. */
  void find();

 private:
  enum class Source { GEOMETRY, TOPOLOGY, FROM_FILE };

  class Fix *fix_;
  const std::vector<int> &numbers_;
  BondsOfAtoms &bonds_;
  Source source_;
  double tolerance_;
  bool ions_apart_;    // metal ions are not bonded to molecules
  lamplighter::BondWords bonded_, unbonded_;
  std::string file_;
  class NeighList *list_;

  void read_words(const std::string &key, CommandWords &, lamplighter::BondWords &) const;
  void find_by_geometry();
  double longest_contact(int i, int j) const;
  bool in_contact(int i, int j) const;
  bool through_donor(int i, int j, const std::vector<double> &flags) const;
  std::vector<double> flags_of_atoms();
  bool is_bond(int i, int j, const std::vector<double> &flags) const;
  void add_named_atoms();
  void find_in_topology();
  void read_file();
  void take_bonds(const std::vector<double> &part);
};

}    // namespace LAMMPS_NS

#endif
