// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_PAIR_OF_MEMBERS_H
#define LAMPLIGHTER_PAIR_OF_MEMBERS_H

#include "broken_model.h"
#include "committee.h"
#include "feature_exchange.h"
#include "pair.h"
#include "present_atoms.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

/* A pair style whose forces are those of one model, or of several: what both styles of Lamplighter
   do about a committee once its members were evaluated, however that was done. */
class PairOfMembers : public Pair {
 public:
  PairOfMembers(class LAMMPS *);
  ~PairOfMembers() override;

  /* Numbers of the committee by the names that other styles ask for, and the force variance of each
     atom at the last step at which all members were evaluated. */
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;
  double memory_usage() override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

 protected:
  std::unique_ptr<Committee> committee_;
  PresentAtoms present_;
  FeatureExchange exchange_;

  void allocate();
  /* Once the members are known: numbers for `compute pair`. */
  void set_up_committee(int nmembers, const std::string &first_member);
  /* In init_style: the fix that keeps variances between evaluations, and the one that knows trials
     of others (fix gcmc, fix widom); guards hear of broken models. */
  void prepare_fixes();
  bool is_trial() const;
  /* Whether all members are evaluated now: of a trial, those that drive are enough. */
  bool all_are_due() const;
  /* Sees to answers that are no finite numbers, and to a problem of this rank. False: one was of a
     trial, which is made impossible, and nothing else may be added. `name_of`: the member behind
     each answer. Collective. */
  bool may_be_added(std::vector<Answer> answers, const std::function<std::string(int)> &name_of,
                    const std::string &problem = "");
  /* A trial that nobody accepts, with an energy as fix gcmc has it for what cannot be. */
  void make_impossible();
  /* What the weighted energies lack of the energy that belongs to the forces, over all ranks, in
     the energy unit of the run. */
  void add_excess(double excess);
  /* The variance of the members' forces; forces[k] are those of member k on atoms and ghosts. */
  void find_spread(const std::vector<const double *> &forces);

 private:
  class FixLamplighterCarry *carry_;    // the variance of each atom
  std::string carry_id_;
  class FixLamplighterTrial *trial_;    // where a fix makes trials
  std::string trial_id_;
  std::vector<double> rows_;    // [atom][member][3]

  void carry_variances();
  void watch_for_trials();
};

}    // namespace LAMMPS_NS

#endif
