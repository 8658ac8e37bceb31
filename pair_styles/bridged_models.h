// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BRIDGED_MODELS_H
#define LAMPLIGHTER_BRIDGED_MODELS_H

#include "bridge.h"
#include "feature_exchange.h"
#include "native/results.h"
#include "pointers.h"
#include "present_atoms.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

/* What pair_style and pair_coeff say of the models. */
struct RequestedModels {
  std::string dtype, device, kind, engine, head;
  std::string training_set;    // file of the first model's statistics, or nothing
  std::vector<std::string> files, elements_of_types;
  bool committee;
  bool tf32;    // float32 products on a GPU may be rounded to TF32
};

/* Models that the process which drives LAMMPS evaluates, through bridge.h. All functions are
   collective. */
class BridgedModels : protected Pointers {
 public:
  BridgedModels(class LAMMPS *, FeatureExchange &);
  ~BridgedModels() override;

  /* Whether the process makes files for the native engine. */
  static bool can_compile();
  /* The file that the native engine is to read in place of the first model, or nothing where the
     model is not for it; `must`: then the run ends. */
  std::string compile(const RequestedModels &, bool must);

  /* The first model, or all of a committee, each for itself. */
  void open(const RequestedModels &);
  void close();
  int count() const { return (int) open_.size(); }
  double cutoff() const;    // the longest
  const std::string &file(int k) const { return open_[k].file; }
  bool lacks_virial(int k) const { return open_[k].model.lacks_virial; }
  /* Ends the run where a fix changes the box by a pressure that a model does not have. */
  void require_virial() const;

  /* Neighbour lists are new; owner[row] is the row that models know a row by. */
  void see_new_lists();
  /* Atoms have moved. */
  void see_new_positions() { pairs_within_ = -1.0; }
  /* Adds what model k says of the present atoms; `extrapolation` of the local atoms, set, is of a
     model that was opened with its training set. */
  void evaluate(int k, const class NeighList &, const PresentAtoms &, const std::vector<int> &owner,
                lamplighter::Results &, double *extrapolation = nullptr);
  double memory() const;    // bytes

 private:
  struct Model {
    lamplighter_model model;
    bigint list_seen;    // which of the neighbour lists it knows
    std::string file;
  };

  FeatureExchange &exchange_;
  std::vector<Model> open_;
  bigint lists_built_;

  double pairs_within_;    // up to which distance the pairs of these positions are there; < 0: none
  int64_t npairs_;
  std::vector<int64_t> pair_i_, pair_j_;
  std::vector<double> rij_, fij_, eatoms_;
  std::vector<int64_t> list_i_, list_j_, list_j_x_, tags_;

  void build_pairs(const class NeighList &, const std::vector<int> &owner, double within);
  void build_list(const class NeighList &, const std::vector<int> &owner);
  void describe_system(lamplighter_step &);
  void leave_out_absent(const PresentAtoms &, double &energy);
  void end_for_want_of_a_process() const;
};

}    // namespace LAMMPS_NS

#endif
