// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef PAIR_CLASS
// clang-format off
PairStyle(lamplighter,PairLamplighter);
// clang-format on
#else

#ifndef LAMPLIGHTER_PAIR_LAMPLIGHTER_H
#define LAMPLIGHTER_PAIR_LAMPLIGHTER_H

#include "bridged_models.h"
#include "extrapolation.h"
#include "named_elements.h"
#include "native/native_evaluator.h"
#include "pair_of_members.h"
#include "remote_atoms.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

/* pair_style lamplighter: models evaluated by the native engine in this process, or by the process
   that drives LAMMPS, through bridge.h. */
class PairLamplighter : public PairOfMembers {
 public:
  PairLamplighter(class LAMMPS *);

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  /* As the base class, and the uncertainty of one model by names that begin with `extrapolation`.
   */
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;
  double memory_usage() override;

 private:
  RequestedModels requested_;
  std::unique_ptr<lamplighter::NativeEvaluator> native_;    // or else
  BridgedModels bridged_;
  double cutoff_;          // the longest of the models
  double energy_scale_;    // eV to the energy unit of the run

  bool lists_seen_;            // since pair_style, pair_coeff and all else were read
  std::vector<int> listed_;    // the local atoms that are there
  std::vector<int> owner_;     // row -> row that the model knows it by
  RemoteAtoms remote_;         // of several ranks, for the native engine

  std::unique_ptr<Extrapolation> extrapolation_;
  std::vector<double>
      numbers_;    // for `compute pair`: of the committee, then of the extrapolation

  NamedElements named_;
  std::vector<double> member_f_, member_eatoms_, member_virial_, member_vatom_;

  void close_models();
  void require_whole_names(const std::vector<std::string> &words);
  std::string compiled_model();
  void open_native(const std::string &file);
  int models_open() const;
  std::string name_of(int model) const;
  void require_training_set();
  void set_up_numbers();
  void hand_out_numbers();

  void see_new_lists();
  void require_all_pairs();
  void find_owners();
  bool atoms_overlap();
  std::vector<lamplighter::Results> make_results(int count, bool direct);
  int count_listed() const;
  const int *listed() const;
  std::string evaluate_native(std::vector<lamplighter::Results> &, int first);
  std::vector<Answer> answers_of(const std::vector<lamplighter::Results> &, int first) const;
  void add_results(const lamplighter::Results &, double weight, bool with_forces);
};

}    // namespace LAMMPS_NS

#endif
#endif
