// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_GUARD_BONDS_H
#define LAMPLIGHTER_GUARD_BONDS_H

#include "bond_words.h"
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

/* The bonds that fix guard watches: found once, kept by the atom of the lower ID with a reference
   length each, moved with their atoms. */
class GuardBonds : protected Pointers {
 public:
  /* `fix`: whose communication and atom callbacks are those below; `numbers`: the atomic number of
     each type, from 1, which are known by the time bonds are found. */
  GuardBonds(class LAMMPS *, class Fix *fix, const std::vector<int> &numbers);
  ~GuardBonds() override;

  /* Takes the values of `bonds`, `reference`, `tolerance`, `ions`, `bonded`, `unbonded` or `list`;
     false: the keyword is none of these. */
  bool take_keyword(const std::string &key, CommandWords &);
  static std::string keywords();
  const std::string &list_file() const { return list_file_; }

  void init();    // asks for a neighbour list where one is needed
  void set_list(class NeighList *list) { list_ = list; }

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

  // what LAMMPS asks the fix for
  double memory_usage() const;
  void grow_arrays(int nmax);
  void copy_arrays(int i, int j);
  void set_arrays(int i) { nbonds_[i] = 0; }
  int pack_exchange(int i, double *buf) const;
  int unpack_exchange(int nlocal, const double *buf);
  int size_restart(int i) const { return 2 * nbonds_[i] + 2; }
  int maxsize_restart() const { return 2 * most_bonds_ + 2; }
  int pack_forward_comm(int n, const int *sendlist, double *buf) const;
  void unpack_forward_comm(int n, int first, const double *buf);

 private:
  enum class Reference { MEAN, INITIAL, FROM_FILE };
  enum class Source { GEOMETRY, TOPOLOGY, FROM_FILE };

  class Fix *fix_;
  const std::vector<int> &numbers_;

  // what was asked for
  Reference reference_;
  Source source_;
  double tolerance_;
  bool ions_apart_;    // metal ions are not bonded to molecules
  lamplighter::BondWords bonded_, unbonded_;
  std::string reference_file_, bonds_file_, list_file_;

  // of each atom: IDs of its partners and reference lengths
  int most_bonds_;
  int *nbonds_;
  tagint **partner_;
  double **length_;
  bool known_;
  double *forwarded_;    // what ghosts are told of their atoms
  class NeighList *list_;

  struct Row {
    int i, j;
    double reference;
  };
  std::vector<Row> rows_;    // of this rank, until the next neighbour list
  bool out_of_sight_;        // of this rank, farther than any limit

  void read_words(const std::string &key, CommandWords &, lamplighter::BondWords &) const;
  void widen();
  void add(int i, tagint other, double r);
  void add_at_present_length(int i, tagint other);
  double present_length(int i, int bond) const;

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

  void set_mean_lengths();
  void set_lengths_from_file();
  void require_sight(const std::function<double(double)> &longest_watched) const;
  void write_list() const;
};

}    // namespace LAMMPS_NS

#endif
