// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BONDS_OF_ATOMS_H
#define LAMPLIGHTER_BONDS_OF_ATOMS_H

#include "pointers.h"

#include <vector>

namespace LAMMPS_NS {

/* Bonds with a reference length each, kept by the atom of the lower ID, which they move with from
   rank to rank and into restart files. */
class BondsOfAtoms : protected Pointers {
 public:
  /* `fix`: whose communication and atom callbacks are those below. */
  BondsOfAtoms(class LAMMPS *, class Fix *fix);
  ~BondsOfAtoms() override;

  void clear();
  void add(int i, tagint other, double reference);
  void add_at_present_length(int i, tagint other);

  // of local atom i; `k`: which of its bonds
  int count(int i) const { return count_[i]; }
  tagint partner(int i, int k) const { return partner_[i][k]; }
  double &reference(int i, int k) { return length_[i][k]; }
  double reference(int i, int k) const { return length_[i][k]; }
  bool has(int i, tagint other) const;
  /* Negative where the partner is out of reach. */
  double present_length(int i, int k) const;

  /* Ghosts are told a number of their atoms; rows[i] of atoms and ghosts. Collective. */
  void forward(std::vector<double> &rows);

  // what LAMMPS asks the fix for
  double memory_usage() const;
  void grow_arrays(int nmax);
  void copy_arrays(int i, int j);
  void set_arrays(int i) { count_[i] = 0; }
  int pack_exchange(int i, double *buf) const;
  int unpack_exchange(int nlocal, const double *buf);
  int size_restart(int i) const { return 2 * count_[i] + 2; }
  int maxsize_restart() const { return 2 * most_ + 2; }
  int pack_forward_comm(int n, const int *sendlist, double *buf) const;
  void unpack_forward_comm(int n, int first, const double *buf);

 private:
  class Fix *fix_;
  int most_;    // bonds of one atom that there is room for
  int *count_;
  tagint **partner_;
  double **length_;
  double *forwarded_;

  void widen();
};

}    // namespace LAMMPS_NS

#endif
