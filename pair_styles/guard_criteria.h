// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_GUARD_CRITERIA_H
#define LAMPLIGHTER_GUARD_CRITERIA_H

#include "numbers_of_pair.h"
#include "pointers.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class CommandWords;
class GuardBonds;

/* An atom, or the two atoms of a bond, that violates a criterion. */
struct Offence {
  double value;
  double atom, partner;    // IDs; partner 0: there is none
  double reference;        // length of the bond
};

/* What fix guard watches: the limits, what was found at the last check, and which atoms are to
   blame. Criteria have numbers from 1 on; names, units and limits are in a table in the .cpp file,
   which python/lamplighter/guard_criteria.py repeats. */
class GuardCriteria : protected Pointers {
 public:
  /* `groupbit` of the fix: atoms whose forces and positions are watched. */
  GuardCriteria(class LAMMPS *, GuardBonds &, int groupbit);

  static int count();
  static std::string name(int criterion);
  static std::string keywords();
  /* Takes the limit of a criterion; false: the keyword is of none. `nevery`: steps between checks.
   */
  bool take_keyword(const std::string &key, CommandWords &, int nevery);
  /* The compute of the temperature (`temp`) or potential energy (`pe`). */
  void set_compute(const std::string &kind, const std::string &id);

  bool watches_bonds() const;
  /* Up to which length a bond is watched. */
  double longest_watched(double reference_length) const;
  void init();
  void setup();    // a run begins

  /* Measures all that is watched. Returns the criteria that are violated and were not at the check
     before. Collective. */
  std::vector<int> check();
  /* Found elsewhere: numbers that are not finite. Returns the number of that criterion. */
  int find_not_finite();
  double found(int criterion) const { return found_[criterion]; }
  double limit(int criterion) const { return limit_[criterion]; }
  double lower_bound(int criterion) const { return low_[criterion]; }
  static bool has_bounds(int criterion);
  static bool of_bonds(int criterion);
  /* The atoms of all ranks that violate a criterion, worst first. Collective. */
  std::vector<Offence> offences(int criterion) const;

  /* What values are compared with, kept by restart files. */
  struct Start {
    bool has_energy, has_density;
    double energy, density;
  };
  Start start;

 private:
  GuardBonds &bonds_;
  NumbersOfPair pair_;
  int groupbit_;

  // by number
  std::vector<char> wanted_, violated_;
  std::vector<double> low_, limit_, found_;

  std::string id_temperature_, id_energy_;
  int energy_every_;                 // steps between checks of the energy
  double density_change_;            // allowed share of the density at the start, or 0
  double given_low_, given_high_;    // bounds of the density as they were given
  double per_cubic_cm_;              // g/cm3 in the density that force->mv2d gives
  double mass_;                      // of all atoms
  bigint counted_build_;             // step of the neighbour list at which atoms were last counted

  void take_bounds(int criterion, CommandWords &);
  void take_energy_every(CommandWords &, int nevery);
  class Compute *compute_of(const std::string &id, const char *what) const;
  double value_of(class Compute &) const;
  bigint next_energy_step() const;
  void measure_rank(double *largest) const;
  void measure_energy();
  void set_density_bounds();
  bool is_violated(int criterion) const;
  std::vector<Offence> offences_of_rank(int criterion) const;
};

}    // namespace LAMMPS_NS

#endif
