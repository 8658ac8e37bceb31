// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_PAIR_LAMPLIGHTER_H
#define LAMPLIGHTER_PAIR_LAMPLIGHTER_H

#include "bridge.h"
#include "native/mace_evaluator.h"
#include "pair.h"

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
  std::string dtype, device, kind, engine;
  std::vector<std::string> models, elements_of_types;
  std::vector<const char *> model_names, element_names;
  lamplighter_model model;
  bool opened;
  std::unique_ptr<lamplighter::MaceEvaluator> native;
  double energy_scale;    // eV to the energy unit of the run

  std::vector<int> owner;    // row -> row that the model knows it by
  std::vector<int64_t> pair_i, pair_j;
  std::vector<double> rij, fij, eatoms;
  std::vector<int64_t> list_i, list_j, list_j_x;

  // the committee: all models, every so many steps
  int committee_every, driver;    // driver: number of the model, or MEAN
  static constexpr int MEAN = -1;
  bool unbiased;    // divisor K - 1
  double nmembers_found, variance_max, deviation_max;
  bigint evaluated_step;
  class FixCarry *carry;
  std::string carry_id;
  std::vector<double> member_f, member_rows, member_eatoms, member_vatom;

  // the features that are being exchanged: rows of `stride` bytes, of which `chunk_bytes` from
  // `offset` on are in this message
  enum class Message { NONE, FEATURES, OWNER };
  Message message;
  char *rows;
  size_t stride, offset, chunk_bytes;
  int chunk_elements, element_bytes;

  void allocate();
  void close_model();
  lamplighter_request make_request();
  std::string compiled_model();
  void open_native(const std::string &file);
  void compute_native();

  void set_up_committee();
  void find_variance(const std::vector<lamplighter::Results> &);
  void check_positions(std::string &problem) const;
  std::string overlap_of(int i, int j, double distance) const;
  void find_owners();
  int64_t build_pairs(std::string &problem);
  void build_list();
  void stop_all_if(const std::string &problem);
  void scatter_pair_forces(int64_t npairs);
  void set_chunk(int first, int count);
  static int doubles_for(int elements, int element_size);
};

}    // namespace LAMMPS_NS

#endif
