// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_GUARD_BONDS_H
#define LAMPLIGHTER_GUARD_BONDS_H

#include "bond_finder.h"
#include "bond_references.h"
#include "bonds_of_atoms.h"
#include "pointers.h"

#include <functional>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class CommandWords;

/* A bond that is too long. */
struct LongBond {
  double length;    // negative where the partner is out of reach
  double reference;
  tagint atom, partner;
};

/* The bonds that fix guard watches: found once, and measured at each check. */
class GuardBonds : protected Pointers {
 public:
  /* `numbers`: the atomic number of each type, from 1, which are known by the time bonds are found.
   */
  GuardBonds(class LAMMPS *, class Fix *fix, const std::vector<int> &numbers);

  /* Takes the values of `bonds`, `reference`, `tolerance`, `ions`, `bonded`, `unbonded` or `list`;
     false: the keyword is none of these. */
  bool take_keyword(const std::string &key, CommandWords &);
  static std::string keywords();
  const std::string &list_file() const { return list_file_; }

  void init();    // asks for a neighbour list where one is needed
  void set_list(class NeighList *list) { finder_.set_list(list); }

  bool known() const { return known_; }
  void set_known(bool known) { known_ = known; }    // by a restart file
  /* Finds the bonds and their reference lengths, and writes the list that was asked for.
     `longest_watched` says up to which length a bond of a reference length must be seen.
     Collective. */
  void find(const std::function<double(double)> &longest_watched);

  /* With new neighbour lists: rows of atoms and their partners. */
  void list_rows();
  /* The largest stretch (in the units of the run) and ratio of all bonds of this rank, where they
     are above what is given. */
  void measure(double &stretch, double &ratio) const;
  /* Bonds of this rank for which `is_long(length, reference)`. */
  std::vector<LongBond> longer(const std::function<bool(double, double)> &is_long) const;

  BondsOfAtoms &of_atoms() { return bonds_; }

 private:
  class Fix *fix_;
  BondsOfAtoms bonds_;
  BondFinder finder_;
  BondReferences references_;
  bool known_;
  std::string list_file_;

  struct Row {
    int i, j;
    double reference;
  };
  std::vector<Row> rows_;    // of this rank, until the next neighbour list
  bool out_of_sight_;        // of this rank, farther than any limit

  void require_sight(const std::function<double(double)> &longest_watched) const;
  void write_list() const;
};

}    // namespace LAMMPS_NS

#endif
