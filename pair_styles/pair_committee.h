// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_PAIR_COMMITTEE_H
#define LAMPLIGHTER_PAIR_COMMITTEE_H

#include "committee.h"
#include "named_elements.h"
#include "pair.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

/* pair_style lamplighter/committee: several pair styles of LAMMPS on the same atoms, one of which
   (or a weighted sum) moves them. Each keeps its own neighbour list request and cutoff. */
class PairCommittee : public Pair {
 public:
  PairCommittee(class LAMMPS *);
  ~PairCommittee() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void setup() override;
  void reset_dt() override;
  void compute(int, int) override;
  double memory_usage() override;
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

 private:
  std::unique_ptr<Committee> committee;
  std::vector<std::unique_ptr<Pair>> members;
  std::vector<std::string> names;
  std::vector<NamedElements> named;    // by each member's pair_coeff
  class FixCarry *carry;               // the variance of each atom
  std::string carry_id;
  bool members_ready, lists_seen;
  PresentAtoms present;
  std::vector<bigint> lists_known;    // the step of the neighbour lists that each member last saw
  std::vector<double> others_f, member_f, rows;

  void allocate();
  void add_member(const std::string &name, int narg, char **arg);
  void note_elements(size_t k, const std::vector<char *> &words);
  void see_new_lists();
  void compute_member(size_t k, int eflag, int vflag);
  void evaluate(size_t k, int eflag, int vflag, double *f);
  void add_results(const Pair &, const double *f, double weight);
  void find_spread();
};

}    // namespace LAMMPS_NS

#endif
