// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef FIX_CLASS
// clang-format off
FixStyle(guard,FixGuard);
// clang-format on
#else

#ifndef LAMPLIGHTER_FIX_GUARD_H
#define LAMPLIGHTER_FIX_GUARD_H

#include "bond_words.h"
#include "fix.h"
#include "named_elements.h"

#include <deque>
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
  void end_of_step() override;
  void post_run() override;
  int modify_param(int, char **) override;
  void reset_dt() override {}

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
  enum Criterion {
    NONE,
    STRETCH,
    RATIO,
    DENSITY,
    TEMPERATURE,
    FORCE,
    ENERGY,
    FINITE,
    LOST,
    VARIANCE,
    DEVIATION,
    NCRITERIA
  };
  enum class Reference { MEAN, INITIAL, FROM_FILE };
  enum class Bonds { GEOMETRY, TOPOLOGY, FROM_FILE };

  // what was asked for
  bool wanted[NCRITERIA];
  double low[NCRITERIA], limit[NCRITERIA];
  Reference reference;
  Bonds bonds;
  double tolerance;
  bool ions_apart;    // metal ions are not bonded to molecules
  lamplighter::BondWords bonded, unbonded;
  std::string reference_file, bonds_file, list_file, event_file, snapshot_file;
  bool stop;
  int frames_before, frames_every;
  int energy_every;            // steps between checks of the energy
  std::vector<int> numbers;    // atomic number of each type, from 1
  NamedElements named;         // by the keyword elements
  std::string id_temperature, id_energy;

  // bonds, each kept by the atom of the lower ID: partners and reference lengths
  int most_bonds;
  int *nbonds;
  tagint **partner;
  double **length;
  bool have_bonds;
  double *forwarded;    // what ghosts are told of their atoms
  class NeighList *list;

  struct BondRow {
    int i, j;
    double reference;
  };
  std::vector<BondRow> rows_of_bonds;    // of this rank, until the next neighbour list
  bool bond_out_of_sight;

  double energy_at_start;
  bool have_energy;
  double density_change, density_at_start;    // allowed share of the density at the start, or 0
  bool have_density;
  double first_low, first_high;    // bounds of the density as they were given
  double per_cubic_cm;             // g/cm3 in the density that force->mv2d gives
  double mass;                     // of all atoms

  // what was found
  double found[NCRITERIA];
  bool violated[NCRITERIA];
  bigint reported_step[NCRITERIA];
  double reported_value[NCRITERIA];
  int first_criterion;
  bigint first_step;
  bigint nevents;
  bool timed_out_by_us;
  bigint checked_step;
  bigint counted_build;    // step of the neighbour list at which atoms were last counted

  struct Frame {
    bigint step;
    double time;
    double box[9];    // three cell vectors
    double origin[3];
    bool has_variance;
    bigint variance_step;         // at which the committee was evaluated
    std::vector<double> atoms;    // of this rank: ID, type, x, f, variance: 9 numbers each
  };
  std::deque<Frame> frames;

  void parse(int, char **);
  void find_elements();
  void open_files();
  void build_bonds();
  void widen();
  void add_bond(int i, tagint other, double r);
  void bonds_from_geometry();
  double longest_contact(int i, int j) const;
  bool in_contact(int i, int j) const;
  bool through_donor(int i, int j, const std::vector<double> &flags) const;
  std::vector<double> flags_of_atoms();
  bool is_bond(int i, int j, const std::vector<double> &flags) const;
  void add_bonded_atoms();
  void bonds_from_topology();
  void bonds_from_file();
  void set_mean_lengths();
  void set_lengths_from_file();
  void check_lengths();
  void write_bonds() const;
  void set_density_bounds();
  double bond_length(int i, int bond) const;
  void check();
  bigint next_energy_step() const;
  void list_bonds();
  void measure_bonds(double &stretch, double &ratio) const;
  void measure_local(double *largest) const;
  void report(Criterion);
  void stop_run();
  struct Offence {
    double value;
    double atom, partner;    // IDs; partner 0: there is none
    double reference;        // length of the bond
  };
  std::vector<Offence> offences(Criterion) const;
  std::vector<Offence> all_offences(Criterion) const;
  static void keep_worst(std::vector<Offence> &);
  Frame take_frame() const;
  void write_snapshot(const std::vector<tagint> &);
  void write_frame(FILE *, const Frame &, const std::vector<tagint> &, const char *note) const;
  double now() const;
  class Pair *committee_pair() const;
  double committee_number(const char *name) const;
  const double *committee_variances() const;
  static const char *name_of(int);
};

}    // namespace LAMMPS_NS

#endif
#endif
