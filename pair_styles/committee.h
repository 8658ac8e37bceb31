// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_COMMITTEE_H
#define LAMPLIGHTER_COMMITTEE_H

#include "pointers.h"
#include "present_atoms.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

/* Several models of the same atoms: when they are evaluated, which of them moves the atoms, and how
   far they disagree. Knows nothing of how a model is evaluated. Energies in eV, forces in
   eV/Angstrom.
 */
class Committee : protected Pointers {
 public:
  Committee(class LAMMPS *, const std::string &style);    // name of the pair style, for messages
  ~Committee();

  /* Takes arg[iarg], if it is one of `committee every N`, `drive first|mean|M`,
     `drive hal TAU [warmup N [from S]] [cap C]`, `divisor K|K-1`; returns the words taken, or 0. */
  int take_keyword(int narg, char **arg, int iarg);
  static std::string keywords() { return "committee, drive or divisor"; }
  void check_keywords();
  void set_up(int nmembers, const std::string &first_model);

  bool wanted() const { return every_ > 0; }
  bool in_use() const { return numbers_ != nullptr; }
  int members() const { return in_use() ? (int) found_.members : 0; }
  /* Whether all members are evaluated in this step, or the driver alone. */
  bool is_due() const;
  int driver() const { return drive_ == Drive::ONE ? driver_ : 0; }
  bool has_one_driver() const { return drive_ == Drive::ONE; }

  /* Weights of the members' energies, forces and virials for what moves the atoms. Of local
     energies of the members; collective. `excess` is what the weighted energies lack of the energy
     that belongs to these forces, over all ranks. */
  std::vector<double> weights(const std::vector<double> &local_energies, double &excess);

  /* Statistics of this step from the forces on local atoms, [nlocal][members][3], and what
     weights() was given; the variance of atom i goes into variance[i], that of an absent one is 0
     and counts for nothing. Collective. */
  void find_spread(const double *forces, const PresentAtoms &, double *variance);

  double *numbers() { return numbers_; }    // for `compute pair`: reference/pair_lamplighter.md
  int nnumbers() const;
  void *extract(const char *name);

 private:
  enum class Drive { ONE, MEAN, HAL };

  std::string style_;
  int every_, driver_;
  Drive drive_;
  bool unbiased_;    // divisor K - 1
  double tau_, cap_;
  bigint warmup_, warmup_from_;    // from: -1: the first step of all

  bigint evaluated_step_;
  double mean_energy_, energy_deviation_, bias_;
  std::vector<double> energies_;    // of the members, over all ranks
  struct {
    double members, variance_max, deviation_max, step;
  } found_;
  double *numbers_;

  int take_drive(int narg, char **arg, int iarg);
  double divisor() const;
  double present_tau();
};

}    // namespace LAMMPS_NS

#endif
