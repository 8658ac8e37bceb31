// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef PAIR_CLASS
// clang-format off
PairStyle(lamplighter/committee,PairLamplighterCommittee);
// clang-format on
#else

#ifndef LAMPLIGHTER_PAIR_LAMPLIGHTER_COMMITTEE_H
#define LAMPLIGHTER_PAIR_LAMPLIGHTER_COMMITTEE_H

#include "named_elements.h"
#include "pair_of_members.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

/* pair_style lamplighter/committee: several pair styles of LAMMPS on the same atoms, one of which
   (or a weighted sum) moves them. Each keeps its own neighbour list request and cutoff. */
class PairLamplighterCommittee : public PairOfMembers {
 public:
  PairLamplighterCommittee(class LAMMPS *);

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void setup() override;
  void reset_dt() override;
  void compute(int, int) override;
  double memory_usage() override;

 private:
  std::vector<std::unique_ptr<Pair>> members_;
  std::vector<std::string> names_;
  std::vector<NamedElements> named_;    // by each member's pair_coeff
  bool members_ready_, lists_seen_;
  std::vector<bigint> lists_known_;    // the step of the neighbour lists that each member last saw
  std::vector<double> others_f_, member_f_;

  void add_member(const std::string &name, int narg, char **arg);
  void note_elements(size_t k, const std::vector<char *> &words);
  void see_new_lists();
  void compute_member(size_t k, int eflag, int vflag);
  void evaluate(size_t k, int eflag, int vflag, double *f);
  Answer answer_of(size_t k, bool has_energy, const double *f) const;
  std::string name_of(int k) const;
  void add_results(const Pair &, const double *f, double weight);
};

}    // namespace LAMMPS_NS

#endif
#endif
