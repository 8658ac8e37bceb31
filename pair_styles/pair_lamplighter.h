// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_PAIR_LAMPLIGHTER_H
#define LAMPLIGHTER_PAIR_LAMPLIGHTER_H

#include "bridge.h"
#include "committee.h"
#include "named_elements.h"
#include "native/mace_evaluator.h"
#include "pair.h"
#include "present_atoms.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

/* pair_style lamplighter: a model evaluated by the native engine in this process, or by the process
   that drives LAMMPS, through bridge.h. */
class PairLamplighter : public Pair {
 public:
  PairLamplighter(class LAMMPS *);
  ~PairLamplighter() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  double memory_usage() override;
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

  void forward_exchange(const void *in, void *out, int width, int element_size);
  void reverse_exchange(const void *in, void *out, int width, int element_size);

 private:
  std::string dtype, device, kind, engine, head;
  std::vector<std::string> models, elements_of_types;
  std::vector<const char *> model_names, element_names;
  double cutoff;          // the longest of the models
  double energy_scale;    // eV to the energy unit of the run
  std::unique_ptr<lamplighter::MaceEvaluator> native;

  // models that the bridge evaluates
  struct Bridged {
    lamplighter_model model;
    bigint list_seen;    // which of the neighbour lists it knows
  };
  std::vector<Bridged> bridged;
  bigint lists_built;

  PresentAtoms present;
  bool pairs_known;           // since pair_style, pair_coeff and all else were read
  std::vector<int> listed;    // the local atoms that are there
  std::vector<int> owner;     // row -> row that the model knows it by
  std::vector<int64_t> pair_i, pair_j;
  std::vector<double> rij, fij, eatoms;
  std::vector<int64_t> list_i, list_j, list_j_x, tags;

  NamedElements named;
  std::unique_ptr<Committee> committee;
  class FixCarry *carry;    // the variance of each atom
  class FixTrial *trial;    // where a fix makes trials
  std::string carry_id, trial_id;
  std::vector<double> member_f, member_rows, member_eatoms, member_virial, member_vatom;

  // the features that are being exchanged: rows of `stride` bytes, of which `chunk_bytes` from
  // `offset` on are in this message
  enum class Message { NONE, FEATURES, OWNER };
  Message message;
  char *rows;
  size_t stride, offset, chunk_bytes;
  int chunk_elements, element_bytes;

  void allocate();
  void close_models();
  void require_whole_names(const std::vector<std::string> &words);
  lamplighter_request make_request(int wanted);
  std::string compiled_model();
  void open_native(const std::string &file);
  void open_bridged();
  int models_open() const;

  std::vector<lamplighter::Results> make_results(int count, bool direct);
  void evaluate_native(std::vector<lamplighter::Results> &, int first);
  void evaluate_bridged(Bridged &, lamplighter::Results &);
  void add_results(const lamplighter::Results &, double weight, bool with_forces);
  void find_spread(const std::vector<lamplighter::Results> &);
  void see_new_lists();
  bool is_impossible_trial();
  void leave_out_absent(double &energy);
  void check_positions(std::string &problem) const;
  std::string overlap_of(int i, int j, double distance) const;
  void find_owners();
  int64_t build_pairs(double within, std::string &problem);
  void build_list();
  void describe_system(lamplighter_step &);
  void require_virial() const;
  void require_all_pairs();
  void stop_all_if(const std::string &problem);
  void set_chunk(int first, int count);
  static int doubles_for(int elements, int element_size);
};

}    // namespace LAMMPS_NS

#endif
