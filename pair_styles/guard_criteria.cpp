// SPDX-License-Identifier: GPL-2.0-or-later

#include "guard_criteria.h"

#include "command_words.h"
#include "gather_all.h"
#include "guard_bonds.h"

#include "atom.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "modify.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

namespace {

enum {
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
  EXTRAPOLATION,
};

enum class Limit {
  LARGEST,    // a positive number, which the value must not exceed
  FACTOR,     // as LARGEST, above 1
  CHANGE,     // as LARGEST, of the size of the value
  BOUNDS,     // a lower and a higher one
  ALWAYS,     // 0, watched unasked
};

enum class Of { ATOMS, BONDS, COMMITTEE, TRAINING };

struct Criterion {
  const char *name;    // the words of the command before the limit
  const char *unit;    // of value and limit in units metal
  Limit limit;
  Of of;
};

/* In the order of their numbers; python/lamplighter/guard_criteria.py has names and units, too. */
const Criterion CRITERIA[] = {
    {"none", "", Limit::ALWAYS, Of::ATOMS},
    {"bond stretch", "Å", Limit::LARGEST, Of::BONDS},
    {"bond ratio", "", Limit::FACTOR, Of::BONDS},
    {"density", "g/cm³", Limit::BOUNDS, Of::ATOMS},
    {"temperature", "K", Limit::LARGEST, Of::ATOMS},
    {"force", "eV/Å", Limit::LARGEST, Of::ATOMS},
    {"energy", "eV/atom", Limit::CHANGE, Of::ATOMS},
    {"finite", "", Limit::ALWAYS, Of::ATOMS},
    {"lost", "", Limit::ALWAYS, Of::ATOMS},
    {"variance", "eV²/Å²", Limit::LARGEST, Of::COMMITTEE},
    {"deviation", "eV/Å", Limit::LARGEST, Of::COMMITTEE},
    {"extrapolation", "", Limit::LARGEST, Of::TRAINING},
};
constexpr int NCRITERIA = sizeof(CRITERIA) / sizeof(CRITERIA[0]);    // with NONE

constexpr size_t LONGEST_LIST = 20;               // offending atoms that are named
constexpr double OUT_OF_SIGHT = 1e30;             // stretch and ratio of a bond
constexpr double AVOGADRO_AMU = 1.66053906660;    // 1 g/mol/A^3 in g/cm3

/* g/cm3 in one unit of mass / length^3 of a unit system; 0 where lengths have no size. */
double grams_per_cubic_cm(const std::string &units)
{
  if (units == "metal" || units == "real") return AVOGADRO_AMU;
  if (units == "electron") return AVOGADRO_AMU / (0.529177210903 * 0.529177210903 * 0.529177210903);
  if (units == "si") return 1e-3;
  if (units == "cgs" || units == "micro") return 1.0;    // pg/um^3
  if (units == "nano") return 1e3;                       // ag/nm^3
  return 0.0;
}

/* The keyword that a criterion begins with. */
std::string first_word(const Criterion &criterion)
{
  const std::string name = criterion.name;
  return name.substr(0, name.find(' '));
}

/* Sorted, ties by atom, so that the list does not depend on how atoms are spread over ranks. */
void keep_worst(std::vector<Offence> &offences)
{
  std::sort(offences.begin(), offences.end(), [](const Offence &a, const Offence &b) {
    return a.value != b.value ? a.value > b.value : a.atom < b.atom;
  });
  if (offences.size() > LONGEST_LIST) offences.resize(LONGEST_LIST);
}

}    // namespace

GuardCriteria::GuardCriteria(LAMMPS *lmp, GuardBonds &bonds, int groupbit) :
    Pointers(lmp), start{false, false, 0.0, 0.0}, bonds_(bonds), pair_(lmp), groupbit_(groupbit),
    wanted_(NCRITERIA, 0), violated_(NCRITERIA, 0), low_(NCRITERIA, 0.0), limit_(NCRITERIA, 0.0),
    found_(NCRITERIA, 0.0), id_temperature_("thermo_temp"), id_energy_("thermo_pe"),
    energy_every_(1), density_change_(0.0), given_low_(0.0), given_high_(1e300), per_cubic_cm_(1.0),
    mass_(-1.0), counted_build_(-1)
{
  for (int k = 1; k < NCRITERIA; k++) wanted_[k] = CRITERIA[k].limit == Limit::ALWAYS;
}

int GuardCriteria::count()
{
  return NCRITERIA - 1;
}

std::string GuardCriteria::name(int criterion)
{
  return CRITERIA[criterion].name;
}

bool GuardCriteria::has_bounds(int criterion)
{
  return CRITERIA[criterion].limit == Limit::BOUNDS;
}

bool GuardCriteria::of_bonds(int criterion)
{
  return CRITERIA[criterion].of == Of::BONDS;
}

bool GuardCriteria::watches_bonds() const
{
  return wanted_[STRETCH] || wanted_[RATIO];
}

/* ---------------------------------------------------------------------- */

std::string GuardCriteria::keywords()
{
  std::string known, last;
  for (const Criterion &criterion : CRITERIA) {
    const std::string word = first_word(criterion);
    if (criterion.limit == Limit::ALWAYS || word == last) continue;
    known += (known.empty() ? "" : ", ") + word;
    last = word;
  }
  return known;
}

bool GuardCriteria::take_keyword(const std::string &key, CommandWords &words, int nevery)
{
  std::string name = key, alternatives;
  for (const Criterion &criterion : CRITERIA)
    if (criterion.limit != Limit::ALWAYS && criterion.name != key && first_word(criterion) == key)
      alternatives += (alternatives.empty() ? "'" : " or '") + std::string(criterion.name) + "'";
  if (!alternatives.empty()) name += " " + words.value_of(key);

  int k = 1;
  while (k < NCRITERIA && (CRITERIA[k].limit == Limit::ALWAYS || CRITERIA[k].name != name)) k++;
  if (k == NCRITERIA) {
    if (alternatives.empty()) return false;
    error->all(FLERR, "fix guard: expected {}, got '{}'", alternatives, name);
  }
  wanted_[k] = 1;
  if (CRITERIA[k].limit == Limit::BOUNDS) {
    take_bounds(k, words);
    return true;
  }
  limit_[k] = words.number_of(name);
  if (!(limit_[k] > 0.0) || !std::isfinite(limit_[k]))
    error->all(FLERR, "fix guard: the limit of '{}' must be positive, got {}{}", name, limit_[k],
               CRITERIA[k].unit[0] ? fmt::format(" (units metal: {})", CRITERIA[k].unit) : "");
  if (CRITERIA[k].limit == Limit::FACTOR && limit_[k] <= 1.0)
    error->all(FLERR, "fix guard: '{}' must be above 1, got {}", name, limit_[k]);
  if (k == ENERGY) take_energy_every(words, nevery);
  return true;
}

/* Two numbers, or `start` and the share by which the value may leave that of the start. */

void GuardCriteria::take_bounds(int criterion, CommandWords &words)
{
  const std::string name = CRITERIA[criterion].name;
  per_cubic_cm_ = grams_per_cubic_cm(update->unit_style);
  if (per_cubic_cm_ == 0.0)
    error->all(FLERR, "fix guard: a {} in g/cm3 has no meaning in units {}", name,
               update->unit_style);
  if (words.take_if("start")) {
    density_change_ = words.number_of(name + " start");
    if (!(density_change_ > 0.0 && density_change_ < 1.0))
      error->all(FLERR,
                 "fix guard: '{} start F' is the share by which the {} may leave that of the "
                 "start, between 0 and 1, got {}",
                 name, name, density_change_);
  } else {
    given_low_ = words.number_of(name);
    given_high_ = words.number_of(name);
    if (!(given_low_ >= 0.0 && given_low_ < given_high_))
      error->all(FLERR, "fix guard: '{}' needs a lower and then a higher bound in g/cm3, got {} {}",
                 name, given_low_, given_high_);
  }
  low_[criterion] = given_low_;
  limit_[criterion] = given_high_;
}

void GuardCriteria::take_energy_every(CommandWords &words, int nevery)
{
  energy_every_ = nevery;
  if (!words.take_if("every")) return;
  energy_every_ = (int) words.number_of("energy ... every");
  if (energy_every_ < 1 || energy_every_ % nevery)
    error->all(FLERR,
               "fix guard: 'energy DRIFT every M' needs M steps, a multiple of the {} between "
               "checks, got {}",
               nevery, energy_every_);
}

void GuardCriteria::set_compute(const std::string &kind, const std::string &id)
{
  (kind == "temp" ? id_temperature_ : id_energy_) = id;
}

/* ---------------------------------------------------------------------- */

void GuardCriteria::init()
{
  if (watches_bonds()) bonds_.init();
  if (wanted_[TEMPERATURE]) compute_of(id_temperature_, "temperature");
  if (wanted_[ENERGY]) compute_of(id_energy_, "energy");
  for (int k = 1; k < NCRITERIA; k++)
    if (wanted_[k] && CRITERIA[k].of == Of::COMMITTEE && pair_.number("committee") == 0.0)
      error->all(FLERR,
                 "fix guard: '{}' needs a committee, and the pair style has none: name several "
                 "models in pair_coeff and use 'committee every N' of pair_style lamplighter",
                 CRITERIA[k].name);
  if (wanted_[EXTRAPOLATION] && pair_.number("extrapolation") == 0.0)
    error->all(FLERR,
               "fix guard: '{}' needs a model that knows its training set, and the pair style "
               "says nothing of one: use 'extrapolation every N' of pair_style lamplighter with a "
               "file of 'lamplighter compile MODEL --training TRAIN.xyz'",
               CRITERIA[EXTRAPOLATION].name);
}

void GuardCriteria::setup()
{
  std::fill(violated_.begin(), violated_.end(), 0);
  if (wanted_[ENERGY]) compute_of(id_energy_, "energy")->addstep(next_energy_step());
}

Compute *GuardCriteria::compute_of(const std::string &id, const char *what) const
{
  Compute *compute = modify->get_compute_by_id(id);
  if (!compute) error->all(FLERR, "fix guard: there is no compute {} for the {}", id, what);
  return compute;
}

/* The value of a compute in this step. */

double GuardCriteria::value_of(Compute &compute) const
{
  return compute.invoked_scalar == update->ntimestep ? compute.scalar : compute.compute_scalar();
}

double GuardCriteria::longest_watched(double reference) const
{
  double longest = reference;
  if (wanted_[STRETCH]) longest = std::max(longest, reference + limit_[STRETCH] * force->angstrom);
  if (wanted_[RATIO]) longest = std::max(longest, reference * limit_[RATIO]);
  return longest;
}

/* The step at which the pair style is to tally its energy next. */

bigint GuardCriteria::next_energy_step() const
{
  return (update->ntimestep / energy_every_ + 1) * energy_every_;
}

/* ---------------------------------------------------------------------- */

std::vector<int> GuardCriteria::check()
{
  double mine[NCRITERIA], all[NCRITERIA];
  std::fill(mine, mine + NCRITERIA, -1e300);
  // atoms come, go and change their rows with new lists only
  const bool counted = update->setupflag || neighbor->ago == 0 ||
      neighbor->lastcall != counted_build_;
  counted_build_ = neighbor->lastcall;
  if (counted && bonds_.known()) bonds_.list_rows();
  measure_rank(mine);
  MPI_Allreduce(mine, all, NCRITERIA, MPI_DOUBLE, MPI_MAX, world);
  found_[STRETCH] = bonds_.known() && all[STRETCH] > -1e200 ? all[STRETCH] : 0.0;
  found_[RATIO] = bonds_.known() ? all[RATIO] : 0.0;
  found_[FORCE] = all[FORCE];
  found_[FINITE] = all[FINITE];
  if (counted) {
    bigint here = atom->nlocal, total;
    MPI_Allreduce(&here, &total, 1, MPI_LMP_BIGINT, MPI_SUM, world);
    found_[LOST] = (double) (atom->natoms - total);
  }
  if (wanted_[DENSITY]) {
    if (counted || mass_ < 0.0) mass_ = group->mass(0);
    found_[DENSITY] = per_cubic_cm_ * mass_ / (domain->xprd * domain->yprd * domain->zprd);
    if (density_change_ > 0.0) set_density_bounds();
  }
  if (wanted_[TEMPERATURE])
    found_[TEMPERATURE] = value_of(*compute_of(id_temperature_, "temperature"));
  if (wanted_[ENERGY] && (update->setupflag || update->ntimestep % energy_every_ == 0))
    measure_energy();
  if (wanted_[VARIANCE]) found_[VARIANCE] = pair_.number("committee_variance_max");
  if (wanted_[DEVIATION]) found_[DEVIATION] = pair_.number("committee_deviation_max");
  if (wanted_[EXTRAPOLATION]) found_[EXTRAPOLATION] = pair_.number("extrapolation_max");

  std::vector<int> begun;
  for (int k = 1; k < NCRITERIA; k++) {
    if (!wanted_[k]) continue;
    const bool now = is_violated(k);
    if (now && !violated_[k]) begun.push_back(k);
    violated_[k] = now;
  }
  return begun;
}

int GuardCriteria::find_not_finite()
{
  found_[FINITE] = 1.0;
  violated_[FINITE] = 1;    // the check of this step does not tell of it again
  return FINITE;
}

/* A value that is not a number violates any limit. */

bool GuardCriteria::is_violated(int k) const
{
  switch (CRITERIA[k].limit) {
  case Limit::BOUNDS:
    return !(found_[k] >= low_[k] && found_[k] <= limit_[k]);
  case Limit::CHANGE:
    return !(std::fabs(found_[k]) <= limit_[k]);
  default:
    return !(found_[k] <= limit_[k]);
  }
}

/* The largest stretch, ratio and force, and whether a number is not finite, of this rank's atoms.
 */

void GuardCriteria::measure_rank(double *largest) const
{
  double stretch = -1e300, ratio = 0.0, force_sq = 0.0, sum = 0.0;
  const double *x = atom->nlocal ? atom->x[0] : nullptr;
  const double *f = atom->nlocal ? atom->f[0] : nullptr;
  const int *mask = atom->mask;
  for (int i = 0; i < atom->nlocal; i++, x += 3, f += 3) {
    if (!(mask[i] & groupbit_)) continue;
    const double fsq = f[0] * f[0] + f[1] * f[1] + f[2] * f[2];
    if (fsq > force_sq) force_sq = fsq;
    sum += 0.0 * (x[0] + x[1] + x[2] + fsq);    // 0, or not a number
  }
  if (bonds_.known()) bonds_.measure(stretch, ratio);
  largest[STRETCH] = stretch / force->angstrom;
  largest[RATIO] = ratio;
  largest[FORCE] = std::sqrt(force_sq);
  largest[FINITE] = sum == 0.0 ? 0.0 : 1.0;
}

/* The change of the total energy of an atom. */

void GuardCriteria::measure_energy()
{
  Compute &potential = *compute_of(id_energy_, "energy");
  Compute &temperature = *compute_of(id_temperature_, "temperature");
  const double pe = value_of(potential);
  const double ke = 0.5 * temperature.dof * force->boltz * value_of(temperature);
  const double energy = (pe + ke) / (double) atom->natoms;
  if (!start.has_energy) start.energy = energy;
  start.has_energy = true;
  found_[ENERGY] = energy - start.energy;
  if (!std::isfinite(energy)) found_[FINITE] = 1.0;
  potential.addstep(next_energy_step());
}

/* Bounds around the density at the start, within those that were given. */

void GuardCriteria::set_density_bounds()
{
  if (!start.has_density) start.density = found_[DENSITY];
  start.has_density = true;
  low_[DENSITY] = std::max(given_low_, start.density * (1.0 - density_change_));
  limit_[DENSITY] = std::min(given_high_, start.density * (1.0 + density_change_));
}

/* ---------------------------------------------------------------------- */

/* The atoms of this rank that violate a criterion, worst first. */

std::vector<Offence> GuardCriteria::offences_of_rank(int criterion) const
{
  std::vector<Offence> found;
  const double limit = limit_[criterion];
  const auto blame = [&](int i, double value) {
    found.push_back({value, (double) atom->tag[i], 0.0, 0.0});
  };
  if (CRITERIA[criterion].of == Of::BONDS) {
    const auto value_of = [&](double r, double reference) {
      return r < 0.0             ? OUT_OF_SIGHT
          : criterion == STRETCH ? (r - reference) / force->angstrom
                                 : r / reference;
    };
    for (const LongBond &bond :
         bonds_.longer([&](double r, double reference) { return value_of(r, reference) > limit; }))
      found.push_back({value_of(bond.length, bond.reference), (double) bond.atom,
                       (double) bond.partner, bond.reference});
  } else if (criterion == FORCE || criterion == FINITE) {
    double **x = atom->x, **f = atom->f;
    for (int i = 0; i < atom->nlocal; i++) {
      if (!(atom->mask[i] & groupbit_)) continue;
      const double size = std::sqrt(f[i][0] * f[i][0] + f[i][1] * f[i][1] + f[i][2] * f[i][2]);
      const bool finite = std::isfinite(size + x[i][0] + x[i][1] + x[i][2]);
      if (criterion == FINITE ? !finite : !(size <= limit)) blame(i, finite ? size : 1e300);
    }
  } else if (CRITERIA[criterion].of == Of::COMMITTEE) {
    if (const double *variance = pair_.of_atoms("variance"))
      for (int i = 0; i < atom->nlocal; i++) {
        const double value = criterion == VARIANCE ? variance[i] : std::sqrt(variance[i]);
        if (value > limit) blame(i, value);
      }
  } else if (criterion == EXTRAPOLATION) {
    if (const double *extrapolation = pair_.of_atoms("extrapolation"))
      for (int i = 0; i < atom->nlocal; i++)
        if (extrapolation[i] > limit) blame(i, extrapolation[i]);
  }
  keep_worst(found);
  return found;
}

std::vector<Offence> GuardCriteria::offences(int criterion) const
{
  std::vector<double> flat;
  for (const Offence &each : offences_of_rank(criterion))
    flat.insert(flat.end(), {each.value, each.atom, each.partner, each.reference});
  const std::vector<double> gathered = gather_all(flat, MPI_DOUBLE, world);
  std::vector<Offence> all;
  for (size_t k = 0; k < gathered.size(); k += 4)
    all.push_back({gathered[k], gathered[k + 1], gathered[k + 2], gathered[k + 3]});
  keep_worst(all);
  return all;
}
