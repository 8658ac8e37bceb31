// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef FIX_CLASS
// clang-format off
FixStyle(guard,FixGuard);
// clang-format on
#else

#ifndef LAMPLIGHTER_FIX_GUARD_H
#define LAMPLIGHTER_FIX_GUARD_H

#include "fix.h"
#include "guard_bonds.h"
#include "guard_criteria.h"
#include "guard_evidence.h"
#include "named_elements.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

/* fix guard: stops a run at the step at which it ceases to be physical, with the evidence. */
class FixGuard : public Fix {
 public:
  FixGuard(class LAMMPS *, int, char **);
  ~FixGuard() override;

  int setmask() override;
  void init() override;
  void init_list(int, class NeighList *) override;
  void setup(int) override;
  void min_setup(int) override;
  void post_force(int) override;
  void end_of_step() override;
  void post_run() override;
  int modify_param(int, char **) override;
  void reset_dt() override {}

  bool stops_runs() const { return stop_; }
  /* Said by a pair style whose models may break, before LAMMPS lists what fixes do at each step. */
  void hear_models();
  /* A model gave what is no finite number: told of, with the evidence, once the forces of this step
     are complete, also between checks; `as_error`: then the run ends with it. */
  void note_broken_model(const std::string &problem, bool as_error);

  double compute_scalar() override;
  double compute_vector(int) override;
  double memory_usage() override;

  void grow_arrays(int) override;
  void copy_arrays(int, int, int) override;
  void set_arrays(int) override;
  int pack_exchange(int, double *) override;
  int unpack_exchange(int, double *) override;
  int pack_restart(int, double *) override;
  void unpack_restart(int, int) override;
  int size_restart(int) override;
  int maxsize_restart() override;
  void write_restart(FILE *) override;
  void restart(char *) override;
  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;

 private:
  std::vector<int> numbers_;    // atomic number of each type, from 1; 0: not known
  NamedElements named_;         // by the keyword elements
  bool stop_;                   // what a violation does

  GuardBonds bonds_;
  GuardCriteria criteria_;
  GuardEvidence evidence_;

  // of violations
  int first_criterion_;    // in this run, 0: none
  bigint first_step_;
  bigint nevents_;
  std::vector<bigint> reported_step_;    // by criterion
  std::vector<double> reported_value_;
  bool timed_out_by_us_;
  std::string broken_model_;    // what is to be told of one; empty: nothing
  bool broken_model_ends_run_;

  void parse(int, char **);
  bool take_keyword(const std::string &key, class CommandWords &);
  void find_elements();
  void find_bonds();
  void check();
  void report(int criterion, const std::string &cause = "");
  void report_broken_model();
  void stop_run();
};

}    // namespace LAMMPS_NS

#endif
#endif
