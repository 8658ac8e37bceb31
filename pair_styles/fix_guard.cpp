// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_guard.h"

#include "elements.h"
#include "metal_ions.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "timer.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

using namespace LAMMPS_NS;
using namespace FixConst;

namespace {

constexpr int ATOM_NUMBERS = 9;                   // of one atom in a frame
constexpr int LONGEST_LIST = 20;                  // offending atoms that are named
constexpr double AVOGADRO_AMU = 1.66053906660;    // 1 g/mol/A^3 in g/cm3

const char *const NAMES[] = {"none",        "bond stretch", "bond ratio", "density",
                             "temperature", "force",        "energy",     "finite",
                             "lost",        "variance",     "deviation"};

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

/* What all ranks have, rank by rank, on every rank. Collective. */
template <class T>
std::vector<T> gather_all(const std::vector<T> &mine, MPI_Datatype type, MPI_Comm world)
{
  int nprocs;
  MPI_Comm_size(world, &nprocs);
  const int count = (int) mine.size();
  std::vector<int> counts(nprocs), offsets(nprocs, 0);
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, world);
  for (int p = 1; p < nprocs; p++) offsets[p] = offsets[p - 1] + counts[p - 1];
  std::vector<T> all(offsets.back() + counts.back());
  MPI_Allgatherv(mine.data(), count, type, all.data(), counts.data(), offsets.data(), type, world);
  return all;
}

}    // namespace

/* fix ID group guard N keyword value ... */

FixGuard::FixGuard(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), reference(Reference::MEAN), bonds(Bonds::GEOMETRY), tolerance(1.15),
    ions_apart(true), stop(true), frames_before(0), frames_every(1), named(lmp, "fix guard"),
    id_temperature("thermo_temp"), id_energy("thermo_pe"), most_bonds(4), nbonds(nullptr),
    partner(nullptr), length(nullptr), have_bonds(false), forwarded(nullptr), list(nullptr),
    bond_out_of_sight(false), energy_at_start(0.0), have_energy(false), density_change(0.0),
    density_at_start(0.0), have_density(false), first_low(0.0), first_high(1e300),
    per_cubic_cm(1.0), mass(-1.0), first_criterion(NONE), first_step(-1), nevents(0),
    timed_out_by_us(false), checked_step(-1), counted_build(-1)
{
  for (int k = 0; k < NCRITERIA; k++) {
    wanted[k] = violated[k] = false;
    low[k] = limit[k] = found[k] = reported_value[k] = 0.0;
    reported_step[k] = -1;
  }
  wanted[FINITE] = wanted[LOST] = true;

  restart_global = restart_peratom = 1;
  scalar_flag = vector_flag = 1;
  size_vector = NCRITERIA + 1;
  global_freq = 1;
  extscalar = extvector = 0;
  maxexchange_dynamic = 1;
  create_attribute = 1;
  stores_ids = 1;
  comm_forward = 1;
  dynamic_group_allow = 0;

  parse(narg, arg);
  global_freq = nevery;
  find_elements();
  open_files();

  grow_arrays(atom->nmax);
  atom->add_callback(Atom::GROW);
  atom->add_callback(Atom::RESTART);
  for (int i = 0; i < atom->nlocal; i++) nbonds[i] = 0;
  maxexchange = 2 * most_bonds + 1;
}

FixGuard::~FixGuard()
{
  if (copymode) return;
  atom->delete_callback(id, Atom::GROW);
  atom->delete_callback(id, Atom::RESTART);
  memory->destroy(nbonds);
  memory->destroy(partner);
  memory->destroy(length);
}

const char *FixGuard::name_of(int criterion)
{
  return NAMES[criterion];
}

void FixGuard::parse(int narg, char **arg)
{
  if (narg < 4) utils::missing_cmd_args(FLERR, "fix guard", error);
  nevery = utils::inumeric(FLERR, arg[3], false, lmp);
  if (nevery < 1)
    error->all(FLERR, "fix guard: N must be at least 1, the steps between checks, got {}", nevery);

  int k = 4;
  const auto value_of = [&](const std::string &key) -> std::string {
    if (k >= narg) error->all(FLERR, "fix guard: keyword '{}' lacks its value", key);
    return arg[k++];
  };
  const auto number_of = [&](const std::string &key) {
    const std::string text = value_of(key);
    return utils::numeric(FLERR, text, false, lmp);
  };
  const auto maximum = [&](Criterion criterion, const std::string &key) {
    limit[criterion] = number_of(key);
    if (!(limit[criterion] > 0.0) || !std::isfinite(limit[criterion]))
      error->all(FLERR, "fix guard: the limit of '{}' must be positive, got {}", key,
                 limit[criterion]);
    wanted[criterion] = true;
  };

  const auto bond_words = [&](const std::string &key, lamplighter::BondWords &words) {
    const std::string wrong = words.read(value_of(key));
    if (!wrong.empty())
      error->all(FLERR,
                 "fix guard: {} '{}' is no element (Li), no pair of elements (Zn-O) and no pair of "
                 "atoms by their IDs (12-57)",
                 key, wrong);
  };

  energy_every = nevery;
  while (k < narg) {
    const std::string key = arg[k++];
    if (key == "bond") {
      const std::string kind = value_of(key);
      if (kind == "stretch")
        maximum(STRETCH, "bond stretch");
      else if (kind == "ratio") {
        maximum(RATIO, "bond ratio");
        if (limit[RATIO] <= 1.0)
          error->all(FLERR, "fix guard: 'bond ratio' must be above 1, got {}", limit[RATIO]);
      } else
        error->all(FLERR, "fix guard: expected 'bond stretch' or 'bond ratio', got 'bond {}'",
                   kind);
    } else if (key == "reference") {
      const std::string kind = value_of(key);
      reference = kind == "mean" ? Reference::MEAN
          : kind == "initial"    ? Reference::INITIAL
                                 : Reference::FROM_FILE;
      if (reference == Reference::FROM_FILE) reference_file = kind;
    } else if (key == "bonds") {
      const std::string kind = value_of(key);
      bonds = kind == "geometry" ? Bonds::GEOMETRY
          : kind == "topology"   ? Bonds::TOPOLOGY
                                 : Bonds::FROM_FILE;
      if (bonds == Bonds::FROM_FILE) bonds_file = kind;
    } else if (key == "tolerance") {
      tolerance = number_of(key);
      if (!(tolerance > 0.5 && tolerance < 2.0))
        error->all(
            FLERR,
            "fix guard: 'tolerance' times the sum of two covalent radii is the longest bond; "
            "it must lie between 0.5 and 2, got {}",
            tolerance);
    } else if (key == "ions") {
      const std::string kind = value_of(key);
      if (kind != "auto" && kind != "none")
        error->all(FLERR, "fix guard: ions must be auto or none, got '{}'", kind);
      ions_apart = kind == "auto";
    } else if (key == "bonded")
      bond_words(key, bonded);
    else if (key == "unbonded")
      bond_words(key, unbonded);
    else if (key == "list")
      list_file = value_of(key);
    else if (key == "density") {
      if (k < narg && strcmp(arg[k], "start") == 0) {
        k++;
        density_change = number_of("density start");
        if (!(density_change > 0.0 && density_change < 1.0))
          error->all(FLERR,
                     "fix guard: 'density start F' is the share by which the density may leave "
                     "that of the start, between 0 and 1, got {}",
                     density_change);
      } else {
        first_low = number_of(key);
        first_high = number_of(key);
        if (!(first_low >= 0.0 && first_low < first_high))
          error->all(
              FLERR,
              "fix guard: 'density' needs a lower and then a higher bound in g/cm3, got {} {}",
              first_low, first_high);
      }
      low[DENSITY] = first_low;
      limit[DENSITY] = first_high;
      wanted[DENSITY] = true;
    } else if (key == "temperature")
      maximum(TEMPERATURE, key);
    else if (key == "force")
      maximum(FORCE, key);
    else if (key == "energy") {
      maximum(ENERGY, key);
      if (k < narg && strcmp(arg[k], "every") == 0) {
        k++;
        energy_every = (int) number_of("energy ... every");
        if (energy_every < 1 || energy_every % nevery)
          error->all(
              FLERR,
              "fix guard: 'energy DRIFT every M' needs M steps, a multiple of the {} between "
              "checks, got {}",
              nevery, energy_every);
      }
    } else if (key == "variance")
      maximum(VARIANCE, key);
    else if (key == "deviation")
      maximum(DEVIATION, key);
    else if (key == "action") {
      const std::string kind = value_of(key);
      if (kind != "stop" && kind != "record")
        error->all(FLERR, "fix guard: action must be stop or record, got '{}'", kind);
      stop = kind == "stop";
    } else if (key == "event")
      event_file = value_of(key);
    else if (key == "snapshot")
      snapshot_file = value_of(key);
    else if (key == "before") {
      frames_before = (int) number_of(key);
      if (value_of(key) != "every") error->all(FLERR, "fix guard: expected 'before K every M'");
      frames_every = (int) number_of("before ... every");
      if (frames_before < 0 || frames_every < 1)
        error->all(FLERR, "fix guard: 'before K every M' needs K >= 0 frames and M >= 1 steps");
    } else if (key == "elements") {
      numbers.assign(1, 0);
      std::vector<std::string> symbols;
      for (int itype = 1; itype <= atom->ntypes; itype++) {
        const std::string symbol = value_of(key);
        numbers.push_back(lamplighter::atomic_number(symbol));
        if (!numbers.back())
          error->all(FLERR, "fix guard: '{}' (atom type {}) is not a chemical element", symbol,
                     itype);
        symbols.push_back(symbol);
      }
      named.set(symbols);
    } else
      error->all(FLERR,
                 "fix guard: unknown keyword '{}'; expected bond, reference, bonds, tolerance, "
                 "ions, bonded, unbonded, list, elements, density, temperature, force, energy, "
                 "variance, deviation, action, event, "
                 "snapshot or before",
                 key);
  }

  if (wanted[DENSITY]) {
    per_cubic_cm = grams_per_cubic_cm(update->unit_style);
    if (per_cubic_cm == 0.0)
      error->all(FLERR, "fix guard: a density in g/cm3 has no meaning in units {}",
                 update->unit_style);
  }
  if (frames_before && snapshot_file.empty())
    error->all(FLERR, "fix guard: 'before' keeps frames for 'snapshot FILE', which is missing");
}

/* Types whose element was not given are known by their mass. */

void FixGuard::find_elements()
{
  if (!numbers.empty()) return;
  numbers.assign(atom->ntypes + 1, 0);
  if (!atom->mass) return;
  const double gram_per_mol = strcmp(update->unit_style, "metal") == 0 ||
          strcmp(update->unit_style, "real") == 0
      ? 1.0
      : 0.0;
  for (int itype = 1; itype <= atom->ntypes; itype++)
    if (atom->mass_setflag[itype])
      numbers[itype] = lamplighter::element_of_mass(gram_per_mol * atom->mass[itype]);
}

/* A file that cannot be written is found now, not at the failure. */

void FixGuard::open_files()
{
  for (const std::string &name : {event_file, snapshot_file, list_file}) {
    if (name.empty()) continue;
    int failed = 0;
    if (comm->me == 0) {
      FILE *file = fopen(name.c_str(), "a");
      failed = file == nullptr;
      if (file) fclose(file);
    }
    MPI_Bcast(&failed, 1, MPI_INT, 0, world);
    if (failed) error->all(FLERR, "fix guard: the file {} cannot be written", name);
  }
}

int FixGuard::setmask()
{
  return END_OF_STEP;
}

void FixGuard::init()
{
  named.hold_against_masses();
  if ((wanted[STRETCH] || wanted[RATIO])) {
    if (atom->map_style == Atom::MAP_NONE)
      error->all(FLERR,
                 "fix guard: bonds are followed by atom IDs, which takes an atom map: put "
                 "'atom_modify map yes' before the box is created");
    if (!have_bonds && bonds == Bonds::GEOMETRY)
      neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_OCCASIONAL);
  }
  if (wanted[TEMPERATURE] && !modify->get_compute_by_id(id_temperature))
    error->all(FLERR, "fix guard: there is no compute {} for the temperature", id_temperature);
  if (wanted[ENERGY] && !modify->get_compute_by_id(id_energy))
    error->all(FLERR, "fix guard: there is no compute {} for the energy", id_energy);
  for (const Criterion criterion : {VARIANCE, DEVIATION})
    if (wanted[criterion] && committee_number("committee") == 0.0)
      error->all(FLERR,
                 "fix guard: '{}' needs a committee, and the pair style has none: name several "
                 "models in pair_coeff and use 'committee every N' of pair_style lamplighter",
                 name_of(criterion));
}

void FixGuard::init_list(int, NeighList *given)
{
  list = given;
}

/* The pair style that has a committee, if any: the present one, or one of a hybrid. */

Pair *FixGuard::committee_pair() const
{
  int dim = 0;
  // a hybrid hands out its parts' numbers, but not what they know of each atom
  Pair *part = force->pair ? force->pair_match("lamplighter", 0) : nullptr;
  if (part && part->extract("committee", dim)) return part;
  return force->pair;
}

/* A number of the committee by the pair style's name for it; 0 without a committee. */

double FixGuard::committee_number(const char *name) const
{
  int dim = 0;
  Pair *pair = committee_pair();
  const double *number = pair ? (const double *) pair->extract(name, dim) : nullptr;
  return number && dim == 0 ? *number : 0.0;
}

const double *FixGuard::committee_variances() const
{
  int ncol = 0;
  Pair *pair = committee_pair();
  return pair ? (const double *) pair->extract_peratom("variance", ncol) : nullptr;
}

void FixGuard::setup(int)
{
  if (!have_bonds && (wanted[STRETCH] || wanted[RATIO])) build_bonds();
  if (timed_out_by_us) {
    timer->reset_timeout();
    timed_out_by_us = false;
  }
  for (int k = 0; k < NCRITERIA; k++) violated[k] = false;
  first_criterion = NONE;
  first_step = -1;
  if (wanted[ENERGY]) modify->get_compute_by_id(id_energy)->addstep(next_energy_step());
  check();
}

/* A minimisation may start from anything: its bonds count, its forces do not. */

void FixGuard::min_setup(int)
{
  if (!have_bonds && (wanted[STRETCH] || wanted[RATIO])) build_bonds();
}

void FixGuard::end_of_step()
{
  if (frames_before && update->ntimestep % frames_every == 0) {
    frames.push_back(take_frame());
    while ((int) frames.size() > frames_before) frames.pop_front();
  }
  check();
}

/* A run that we have stopped must not stop the next one. */

void FixGuard::post_run()
{
  if (timed_out_by_us) timer->reset_timeout();
  timed_out_by_us = false;
}

int FixGuard::modify_param(int narg, char **arg)
{
  if (strcmp(arg[0], "temp") != 0 && strcmp(arg[0], "pe") != 0) return 0;
  if (narg < 2) utils::missing_cmd_args(FLERR, "fix_modify guard", error);
  if (!modify->get_compute_by_id(arg[1]))
    error->all(FLERR, "fix_modify: there is no compute {}", arg[1]);
  (strcmp(arg[0], "temp") == 0 ? id_temperature : id_energy) = arg[1];
  return 2;
}

/* ---------------------------------------------------------------------- */

void FixGuard::build_bonds()
{
  for (int i = 0; i < atom->nlocal; i++) nbonds[i] = 0;
  if (bonds == Bonds::GEOMETRY)
    bonds_from_geometry();
  else if (bonds == Bonds::TOPOLOGY)
    bonds_from_topology();
  else
    bonds_from_file();
  have_bonds = true;

  bigint mine = 0, total;
  for (int i = 0; i < atom->nlocal; i++) mine += nbonds[i];
  MPI_Allreduce(&mine, &total, 1, MPI_LMP_BIGINT, MPI_SUM, world);
  if (reference == Reference::MEAN)
    set_mean_lengths();
  else if (reference == Reference::FROM_FILE)
    set_lengths_from_file();
  check_lengths();
  if (!list_file.empty()) write_bonds();
  if (comm->me == 0) utils::logmesg(lmp, "fix guard {}: watching {} bonds\n", id, total);
}

/* Room for more bonds of each atom. LAMMPS' grow keeps rows, not columns. */

void FixGuard::widen()
{
  tagint **old_partner = partner;
  double **old_length = length;
  const int before = most_bonds;
  most_bonds += 4;
  memory->create(partner, atom->nmax, most_bonds, "guard:partner");
  memory->create(length, atom->nmax, most_bonds, "guard:length");
  for (int i = 0; i < atom->nmax; i++)
    for (int k = 0; k < before; k++) {
      partner[i][k] = old_partner[i][k];
      length[i][k] = old_length[i][k];
    }
  memory->destroy(old_partner);
  memory->destroy(old_length);
  maxexchange = 2 * most_bonds + 1;
}

void FixGuard::add_bond(int i, tagint other, double r)
{
  if (nbonds[i] == most_bonds) widen();
  partner[i][nbonds[i]] = other;
  length[i][nbonds[i]++] = r;
}

/* Pairs closer than the tolerance times the sum of their covalent radii are in contact; bonds are
   contacts without those of metal ions, and with what the user says of them. */

void FixGuard::bonds_from_geometry()
{
  double longest = 0.0;
  for (int itype = 1; itype <= atom->ntypes; itype++) {
    if (!numbers[itype])
      error->all(FLERR,
                 "fix guard: the element of atom type {} is not known by its mass, and bonds are "
                 "found by covalent radii: give 'elements E1 E2 ...', one for each type",
                 itype);
    longest = std::max(longest, lamplighter::covalent_radius(numbers[itype]));
  }
  longest *= 2.0 * tolerance * force->angstrom;
  if (neighbor->cutneighmin < longest && force->pair && force->pair->cutforce < longest)
    error->all(
        FLERR,
        "fix guard: bonds up to {:.3g} cannot be seen with a neighbour cutoff of {:.3g}: "
        "raise it with 'comm_modify cutoff' and the pair style's cutoff, or give 'bonds FILE'",
        longest, neighbor->cutneighmin);

  neighbor->build_one(list);
  const std::vector<double> flags = flags_of_atoms();
  double **x = atom->x;
  tagint *tag = atom->tag;
  for (int ii = 0; ii < list->inum; ii++) {
    const int i = list->ilist[ii];
    if (!(atom->mask[i] & groupbit)) continue;
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      if (tag[j] <= tag[i] || !(atom->mask[j] & groupbit)) continue;
      if (!in_contact(i, j) || !is_bond(i, j, flags)) continue;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      add_bond(i, tag[j], std::sqrt(dx * dx + dy * dy + dz * dz));
    }
  }
  add_bonded_atoms();
}

double FixGuard::longest_contact(int i, int j) const
{
  return tolerance * force->angstrom *
      (lamplighter::covalent_radius(numbers[atom->type[i]]) +
       lamplighter::covalent_radius(numbers[atom->type[j]]));
}

bool FixGuard::in_contact(int i, int j) const
{
  const double *a = atom->x[i], *b = atom->x[j];
  const double dx = b[0] - a[0], dy = b[1] - a[1], dz = b[2] - a[2];
  const double most = longest_contact(i, j);
  return dx * dx + dy * dy + dz * dz < most * most;
}

/* Whether a donor touches both atoms of a contact; i is an atom of this rank. */

bool FixGuard::through_donor(int i, int j, const std::vector<double> &flags) const
{
  for (int kk = 0; kk < list->numneigh[i]; kk++) {
    const int k = list->firstneigh[i][kk] & NEIGHMASK;
    if (((int) flags[k] & lamplighter::DONOR) && in_contact(i, k) && in_contact(k, j)) return true;
  }
  return false;
}

/* What atoms and ghosts are by their elements and contacts. Collective. */

std::vector<double> FixGuard::flags_of_atoms()
{
  std::vector<double> flags(atom->nmax, 0.0);
  const auto number_of = [&](int i) { return numbers[atom->type[i]]; };
  const auto contacts_of = [&](int i, const auto &take) {
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      if (atom->tag[j] != atom->tag[i] && in_contact(i, j)) take(j);
    }
  };
  std::vector<lamplighter::Contacts> contacts(atom->nlocal);
  int molecules_here = 0, molecules = 0;
  for (int i = 0; i < atom->nlocal; i++) {
    contacts_of(i, [&](int j) { lamplighter::count_contact(contacts[i], number_of(j)); });
    if (!lamplighter::is_metal(number_of(i)) && contacts[i].nonmetals) molecules_here = 1;
  }
  MPI_Allreduce(&molecules_here, &molecules, 1, MPI_INT, MPI_MAX, world);
  for (int i = 0; i < atom->nlocal; i++)
    flags[i] = lamplighter::surroundings(number_of(i), contacts[i], molecules);
  forwarded = flags.data();
  comm->forward_comm(this);

  // a metal without bonds is an ion, which those beside it must know, too
  std::vector<int> ions(atom->nlocal, 0);
  for (int i = 0; i < atom->nlocal; i++) {
    if (!((int) flags[i] & lamplighter::METAL)) continue;
    int held = 0;
    contacts_of(i, [&](int j) {
      if ((int) flags[j] & lamplighter::METAL) return;
      held += lamplighter::holds_ligand((int) flags[i], (int) flags[j], through_donor(i, j, flags));
    });
    ions[i] = lamplighter::is_ion((int) flags[i], contacts[i].nonmetals, held);
  }
  for (int i = 0; i < atom->nlocal; i++)
    if (ions[i]) flags[i] += lamplighter::ION;
  comm->forward_comm(this);
  forwarded = nullptr;
  return flags;
}

bool FixGuard::is_bond(int i, int j, const std::vector<double> &flags) const
{
  const int here = (int) flags[i], there = (int) flags[j];
  const bool metal_here = here & lamplighter::METAL, metal_there = there & lamplighter::METAL;
  bool bond = true;
  if (ions_apart) {
    if (metal_here && metal_there)
      bond = !((here | there) & lamplighter::ION);
    else if (metal_here || metal_there)
      bond = lamplighter::holds_ligand(metal_here ? here : there, metal_here ? there : here,
                                       through_donor(i, j, flags));
  }
  const int za = numbers[atom->type[i]], zb = numbers[atom->type[j]];
  if (unbonded.name_elements(za, zb)) bond = false;
  if (bonded.name_elements(za, zb)) bond = true;
  if (unbonded.name_atoms(atom->tag[i], atom->tag[j])) bond = false;
  if (bonded.name_atoms(atom->tag[i], atom->tag[j])) bond = true;
  return bond;
}

/* Pairs of atoms that the user names are bonded at any distance. */

void FixGuard::add_bonded_atoms()
{
  for (const auto &[a, b] : bonded.of_atoms) {
    const auto find = [&](std::int64_t tag) {
      return tag > atom->map_tag_max ? -1 : atom->map((tagint) tag);
    };
    const int i = find(a), j = find(b);
    const int here = i >= 0 && i < atom->nlocal, there = j >= 0 && j < atom->nlocal;
    int flags[2] = {here, there}, sums[2];
    MPI_Allreduce(flags, sums, 2, MPI_INT, MPI_SUM, world);
    if (!sums[0] || !sums[1])
      error->all(FLERR, "fix guard: bonded '{}-{}' names atom {}, which is not there", a, b,
                 sums[0] ? b : a);
    if (!here || !(atom->mask[i] & groupbit)) continue;
    if (std::find(partner[i], partner[i] + nbonds[i], (tagint) b) != partner[i] + nbonds[i])
      continue;
    add_bond(i, (tagint) b, 0.0);
    length[i][nbonds[i] - 1] = bond_length(i, nbonds[i] - 1);
  }
}

/* The bonds that are watched, as 'bonds FILE' reads them. Collective. */

void FixGuard::write_bonds() const
{
  std::vector<double> mine;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++)
      mine.insert(mine.end(), {(double) atom->tag[i], (double) partner[i][k], length[i][k]});
  const std::vector<double> all = gather_all(mine, MPI_DOUBLE, world);
  if (comm->me != 0) return;
  std::vector<size_t> order(all.size() / 3);
  for (size_t k = 0; k < order.size(); k++) order[k] = 3 * k;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::make_pair(all[a], all[a + 1]) < std::make_pair(all[b], all[b + 1]);
  });
  FILE *file = fopen(list_file.c_str(), "w");
  if (!file) error->one(FLERR, "fix guard: the file {} cannot be written", list_file);
  fputs("# ID1 ID2 reference length\n", file);
  for (const size_t at : order)
    fprintf(file, "%lld %lld %.10g\n", (long long) all[at], (long long) all[at + 1], all[at + 2]);
  fclose(file);
}

void FixGuard::bonds_from_topology()
{
  if (atom->molecular == Atom::ATOMIC || !atom->num_bond)
    error->all(
        FLERR,
        "fix guard: 'bonds topology' needs an atom style with bonds, such as full; with atom "
        "style {} use 'bonds geometry' or 'bonds FILE'",
        atom->atom_style);
  std::vector<tagint> ends;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < atom->num_bond[i]; k++) {
      if (atom->bond_type[i][k] <= 0) continue;
      const tagint a = std::min(atom->tag[i], atom->bond_atom[i][k]);
      const tagint b = std::max(atom->tag[i], atom->bond_atom[i][k]);
      if (!force->newton_bond && a != atom->tag[i]) continue;    // stored with both atoms
      ends.push_back(a);
      ends.push_back(b);
    }
  // the atom of the lower ID may be on another rank
  const std::vector<tagint> gathered = gather_all(ends, MPI_LMP_TAGINT, world);
  for (size_t k = 0; k + 1 < gathered.size(); k += 2) {
    const int i = atom->map(gathered[k]);
    if (i < 0 || i >= atom->nlocal || !(atom->mask[i] & groupbit)) continue;
    add_bond(i, gathered[k + 1], 0.0);
    length[i][nbonds[i] - 1] = bond_length(i, nbonds[i] - 1);
  }
}

/* Lines "ID1 ID2 [length]"; # begins a comment. Of a LAMMPS data file the Bonds section. */

void FixGuard::bonds_from_file()
{
  std::ifstream file(bonds_file);
  if (!file) error->all(FLERR, "fix guard: the list of bonds {} cannot be read", bonds_file);
  std::string line;
  bool is_data = false, in_section = false;
  while (std::getline(file, line)) is_data = is_data || utils::strmatch(line, "^\\s*Bonds");
  file.clear();
  file.seekg(0);
  for (int number = 1; std::getline(file, line); number++) {
    std::istringstream words(line.substr(0, line.find('#')));
    tagint a, b;
    double r = 0.0;
    if (is_data) {
      std::string first;
      if (!(std::istringstream(line) >> first)) continue;
      if (std::isalpha((unsigned char) first[0])) in_section = first == "Bonds";
      if (!in_section || first == "Bonds") continue;
      words >> a >> b;    // number and type of the bond
    }
    if (!(words >> a)) continue;
    if (!(words >> b))
      error->all(FLERR, "fix guard: line {} of {} is not 'ID1 ID2 [length]'", number, bonds_file);
    if (!is_data) words >> r;
    if (a > b) std::swap(a, b);
    // an array of atoms by ID ends at the highest one
    const auto find = [&](tagint tag) {
      return tag < 1 || tag > atom->map_tag_max ? -1 : atom->map(tag);
    };
    const int i = find(a), j = find(b);
    const int here = i >= 0 && i < atom->nlocal, there = j >= 0 && j < atom->nlocal;
    int flags[2] = {here, there}, sums[2];
    MPI_Allreduce(flags, sums, 2, MPI_INT, MPI_SUM, world);
    if (!sums[0] || !sums[1])
      error->all(FLERR,
                 "fix guard: line {} of {} names the atoms {} and {}, and there is no atom {}",
                 number, bonds_file, a, b, sums[0] ? b : a);
    if (a == b)
      error->all(FLERR, "fix guard: line {} of {} bonds atom {} to itself", number, bonds_file, a);
    if (!here) continue;
    add_bond(i, b, r);
    if (r <= 0.0) length[i][nbonds[i] - 1] = bond_length(i, nbonds[i] - 1);
  }
}

/* The present length of a bond of local atom i; negative where the partner is out of reach. */

double FixGuard::bond_length(int i, int bond) const
{
  const int j = atom->map(partner[i][bond]);
  if (j < 0) return -1.0;
  double **x = atom->x;
  double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
  domain->minimum_image(FLERR, dx, dy, dz);
  return std::sqrt(dx * dx + dy * dy + dz * dz);
}

/* Bonds between the same elements with the same numbers of bonds get the mean of their lengths. */

void FixGuard::set_mean_lengths()
{
  std::vector<double> counts(atom->nmax, 0.0);
  forwarded = counts.data();
  // a bond counts for both of its atoms, wherever they are
  const int nlocal = atom->nlocal;
  std::vector<tagint> others;
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++) {
      counts[i] += 1.0;
      const int j = atom->map(partner[i][k]);
      if (j >= 0 && j < nlocal)
        counts[j] += 1.0;
      else
        others.push_back(partner[i][k]);
    }
  for (const tagint tag : gather_all(others, MPI_LMP_TAGINT, world)) {
    const int j = atom->map(tag);
    if (j >= 0 && j < nlocal) counts[j] += 1.0;
  }
  comm->forward_comm(this);

  const auto class_of = [&](int i, int k) {
    const int j = atom->map(partner[i][k]);
    int a = 1000 * numbers[atom->type[i]] + (int) counts[i];
    int b = j < 0 ? 0 : 1000 * numbers[atom->type[j]] + (int) counts[j];
    // without elements, types serve
    if (!numbers[atom->type[i]]) a += 1000 * (200 + atom->type[i]);
    if (j >= 0 && !numbers[atom->type[j]]) b += 1000 * (200 + atom->type[j]);
    return std::make_pair(std::min(a, b), std::max(a, b));
  };
  std::map<std::pair<int, int>, std::pair<double, double>> sums;    // sum, count
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++) {
      auto &sum = sums[class_of(i, k)];
      sum.first += length[i][k];
      sum.second += 1.0;
    }
  std::vector<double> flat;
  for (const auto &[key, sum] : sums) {
    flat.push_back(key.first);
    flat.push_back(key.second);
    flat.push_back(sum.first);
    flat.push_back(sum.second);
  }
  const std::vector<double> all = gather_all(flat, MPI_DOUBLE, world);
  sums.clear();
  for (size_t k = 0; k + 3 < all.size(); k += 4) {
    auto &sum = sums[{(int) all[k], (int) all[k + 1]}];
    sum.first += all[k + 2];
    sum.second += all[k + 3];
  }
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++) {
      const auto &sum = sums[class_of(i, k)];
      length[i][k] = sum.first / sum.second;
    }
  forwarded = nullptr;
}

/* Lines "ELEMENT1 ELEMENT2 length". */

void FixGuard::set_lengths_from_file()
{
  std::ifstream file(reference_file);
  if (!file)
    error->all(
        FLERR,
        "fix guard: reference must be mean, initial or a file of bond lengths, and {} cannot "
        "be read",
        reference_file);
  std::map<std::pair<int, int>, double> lengths;
  std::string line;
  for (int number = 1; std::getline(file, line); number++) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string a, b;
    double r = 0.0;
    if (!(words >> a)) continue;
    words >> b >> r;
    const int za = lamplighter::atomic_number(a), zb = lamplighter::atomic_number(b);
    if (!za || !zb || !(r > 0.0))
      error->all(FLERR, "fix guard: line {} of {} is not 'ELEMENT1 ELEMENT2 length'", number,
                 reference_file);
    lengths[{std::min(za, zb), std::max(za, zb)}] = r;
  }
  std::string lacking;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++) {
      const int j = atom->map(partner[i][k]);
      const int za = numbers[atom->type[i]], zb = j < 0 ? 0 : numbers[atom->type[j]];
      const auto known = lengths.find({std::min(za, zb), std::max(za, zb)});
      if (known != lengths.end())
        length[i][k] = known->second;
      else if (lacking.empty())
        lacking = std::string(lamplighter::element_symbol(za)) + "-" +
            lamplighter::element_symbol(zb);
    }
  int mine = lacking.empty() ? comm->nprocs : comm->me, first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == comm->nprocs) return;
  char name[16] = "";
  if (comm->me == first) snprintf(name, sizeof(name), "%s", lacking.c_str());
  MPI_Bcast(name, sizeof(name), MPI_CHAR, first, world);
  error->all(FLERR, "fix guard: {} has no length for {} bonds", reference_file, name);
}

/* A bond must be seen while it stretches to its limit. */

void FixGuard::check_lengths()
{
  double longest = 0.0, missing = 0.0;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++) {
      double most = length[i][k];
      if (wanted[STRETCH]) most = std::max(most, length[i][k] + limit[STRETCH] * force->angstrom);
      if (wanted[RATIO]) most = std::max(most, length[i][k] * limit[RATIO]);
      longest = std::max(longest, most);
      if (atom->map(partner[i][k]) < 0) missing = 1.0;
    }
  double mine[2] = {longest, missing}, all[2];
  MPI_Allreduce(mine, all, 2, MPI_DOUBLE, MPI_MAX, world);
  const double reach = comm->get_comm_cutoff();
  if (all[1] > 0.0 || (comm->nprocs > 1 && all[0] > reach))
    error->all(
        FLERR,
        "fix guard: bonds are watched up to {:.4g}, farther than ranks see each other's atoms "
        "({:.4g}): use 'comm_modify cutoff {:.4g}'",
        all[0], reach, std::ceil(10.0 * (all[0] + 0.1)) / 10.0);
  for (int d = 0; d < domain->dimension; d++)
    if (domain->periodicity[d] && all[0] > 0.5 * domain->prd[d])
      error->all(
          FLERR,
          "fix guard: bonds are watched up to {:.4g}, more than half of the box ({:.4g} along "
          "{}): replicate the structure",
          all[0], domain->prd[d], "xyz"[d]);
}

/* ---------------------------------------------------------------------- */

/* The largest stretch, ratio and force, and whether a number is not finite, of this rank's atoms.
 */

/* Bonds by the rows of their atoms, which hold until the next neighbour list: one pass over this
   is several times as fast as one over partners by ID. */

void FixGuard::list_bonds()
{
  rows_of_bonds.clear();
  bond_out_of_sight = false;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds[i]; k++) {
      const int j = domain->closest_image(i, atom->map(partner[i][k]));
      if (j < 0)
        bond_out_of_sight = true;    // farther than this rank can see, and than any limit
      else
        rows_of_bonds.push_back({i, j, length[i][k]});
    }
}

/* The step at which the pair style is to tally its energy next. */

bigint FixGuard::next_energy_step() const
{
  return (update->ntimestep / energy_every + 1) * energy_every;
}

/* The largest stretch and ratio of all bonds. Roots are taken of the few that are longer than all
   before, images of the few that reach across a boundary without a ghost of their own. */

void FixGuard::measure_bonds(double &stretch, double &ratio) const
{
  const double *x = atom->nlocal ? atom->x[0] : nullptr;
  const double width = std::min({domain->prd[0], domain->prd[1], domain->prd[2]});
  // in a tilted box images may be closer than its edges are long
  const double near_sq = domain->triclinic ? 0.0 : 0.25 * width * width;
  for (const BondRow &bond : rows_of_bonds) {
    const double *a = x + 3 * (size_t) bond.i, *b = x + 3 * (size_t) bond.j;
    double dx = b[0] - a[0], dy = b[1] - a[1], dz = b[2] - a[2];
    double rsq = dx * dx + dy * dy + dz * dz;
    if (!(rsq < near_sq)) {
      domain->minimum_image(FLERR, dx, dy, dz);
      rsq = dx * dx + dy * dy + dz * dz;
    }
    const double longest = std::min(bond.reference + stretch, ratio * bond.reference);
    if (longest > 0.0 && rsq <= longest * longest) continue;
    const double r = std::sqrt(rsq);
    stretch = std::max(stretch, r - bond.reference);
    ratio = std::max(ratio, r / bond.reference);
  }
  if (bond_out_of_sight) stretch = ratio = 1e30;
}

void FixGuard::measure_local(double *largest) const
{
  double stretch = -1e300, ratio = 0.0, force_sq = 0.0, sum = 0.0;
  const double *x = atom->nlocal ? atom->x[0] : nullptr;
  const double *f = atom->nlocal ? atom->f[0] : nullptr;
  const int *mask = atom->mask;
  for (int i = 0; i < atom->nlocal; i++, x += 3, f += 3) {
    if (!(mask[i] & groupbit)) continue;
    const double fsq = f[0] * f[0] + f[1] * f[1] + f[2] * f[2];
    if (fsq > force_sq) force_sq = fsq;
    sum += 0.0 * (x[0] + x[1] + x[2] + fsq);    // 0, or not a number
  }
  if (have_bonds) measure_bonds(stretch, ratio);
  largest[STRETCH] = stretch / force->angstrom;
  largest[RATIO] = ratio;
  largest[FORCE] = std::sqrt(force_sq);
  largest[FINITE] = sum == 0.0 ? 0.0 : 1.0;
}

void FixGuard::check()
{
  checked_step = update->ntimestep;
  double mine[NCRITERIA], all[NCRITERIA];
  for (int k = 0; k < NCRITERIA; k++) mine[k] = -1e300;
  // atoms come, go and change their rows with new lists only
  const bool counted = update->setupflag || neighbor->ago == 0 ||
      neighbor->lastcall != counted_build;
  counted_build = neighbor->lastcall;
  if (counted && have_bonds) list_bonds();
  measure_local(mine);
  MPI_Allreduce(mine, all, NCRITERIA, MPI_DOUBLE, MPI_MAX, world);
  found[STRETCH] = have_bonds && all[STRETCH] > -1e200 ? all[STRETCH] : 0.0;
  found[RATIO] = have_bonds ? all[RATIO] : 0.0;
  found[FORCE] = all[FORCE];
  found[FINITE] = all[FINITE];
  if (counted) {
    bigint here = atom->nlocal, total;
    MPI_Allreduce(&here, &total, 1, MPI_LMP_BIGINT, MPI_SUM, world);
    found[LOST] = (double) (atom->natoms - total);
  }
  const double volume = domain->xprd * domain->yprd * domain->zprd;
  if (wanted[DENSITY]) {
    if (counted || mass < 0.0) mass = group->mass(0);
    found[DENSITY] = per_cubic_cm * mass / volume;
    if (density_change > 0.0) set_density_bounds();
  }
  if (wanted[TEMPERATURE]) {
    Compute *temperature = modify->get_compute_by_id(id_temperature);
    if (!temperature) error->all(FLERR, "fix guard: the compute {} is gone", id_temperature);
    found[TEMPERATURE] = temperature->invoked_scalar == update->ntimestep
        ? temperature->scalar
        : temperature->compute_scalar();
  }
  if (wanted[ENERGY] && (update->setupflag || update->ntimestep % energy_every == 0)) {
    Compute *potential = modify->get_compute_by_id(id_energy);
    Compute *temperature = modify->get_compute_by_id(id_temperature);
    if (!potential || !temperature)
      error->all(FLERR, "fix guard: the compute {} is gone", id_energy);
    const double pe = potential->invoked_scalar == update->ntimestep ? potential->scalar
                                                                     : potential->compute_scalar();
    const double t = temperature->invoked_scalar == update->ntimestep
        ? temperature->scalar
        : temperature->compute_scalar();
    const double ke = 0.5 * temperature->dof * force->boltz * t;
    const double energy = (pe + ke) / (double) atom->natoms;
    if (!have_energy) {
      energy_at_start = energy;
      have_energy = true;
    }
    found[ENERGY] = energy - energy_at_start;
    if (!std::isfinite(energy)) found[FINITE] = 1.0;
    potential->addstep(next_energy_step());
  }
  if (wanted[VARIANCE]) found[VARIANCE] = committee_number("committee_variance_max");
  if (wanted[DEVIATION]) found[DEVIATION] = committee_number("committee_deviation_max");

  for (int k = STRETCH; k < NCRITERIA; k++) {
    if (!wanted[k]) continue;
    bool now_violated;
    if (k == DENSITY)
      now_violated = !(found[k] >= low[k] && found[k] <= limit[k]);
    else if (k == ENERGY)
      now_violated = !(std::fabs(found[k]) <= limit[k]);
    else
      now_violated = !(found[k] <= limit[k]);
    if (now_violated && !violated[k]) report((Criterion) k);
    violated[k] = now_violated;
  }
}

/* Bounds around the density at the start, within those that were given. */

void FixGuard::set_density_bounds()
{
  if (!have_density) density_at_start = found[DENSITY];
  have_density = true;
  low[DENSITY] = std::max(first_low, density_at_start * (1.0 - density_change));
  limit[DENSITY] = std::min(first_high, density_at_start * (1.0 + density_change));
}

/* The atoms of this rank that violate a criterion, worst first. */

std::vector<FixGuard::Offence> FixGuard::offences(Criterion criterion) const
{
  std::vector<Offence> found_here;
  if (criterion == STRETCH || criterion == RATIO) {
    for (int i = 0; i < atom->nlocal; i++)
      for (int k = 0; k < nbonds[i]; k++) {
        const double r = bond_length(i, k);
        const double value = r < 0.0 ? 1e30
            : criterion == STRETCH   ? (r - length[i][k]) / force->angstrom
                                     : r / length[i][k];
        if (value > limit[criterion])
          found_here.push_back(
              {value, (double) atom->tag[i], (double) partner[i][k], length[i][k]});
      }
  } else if (criterion == FORCE || criterion == FINITE) {
    double **x = atom->x, **f = atom->f;
    for (int i = 0; i < atom->nlocal; i++) {
      if (!(atom->mask[i] & groupbit)) continue;
      const double size = std::sqrt(f[i][0] * f[i][0] + f[i][1] * f[i][1] + f[i][2] * f[i][2]);
      const bool finite = std::isfinite(size + x[i][0] + x[i][1] + x[i][2]);
      if (criterion == FINITE ? !finite : !(size <= limit[FORCE]))
        found_here.push_back({finite ? size : 1e300, (double) atom->tag[i], 0.0, 0.0});
    }
  } else if (criterion == VARIANCE || criterion == DEVIATION) {
    if (const double *variance = committee_variances())
      for (int i = 0; i < atom->nlocal; i++) {
        const double value = criterion == VARIANCE ? variance[i] : std::sqrt(variance[i]);
        if (value > limit[criterion])
          found_here.push_back({value, (double) atom->tag[i], 0.0, 0.0});
      }
  }
  keep_worst(found_here);
  return found_here;
}

/* Sorted, ties by atom, so that the list does not depend on how atoms are spread over ranks. */

void FixGuard::keep_worst(std::vector<Offence> &offences)
{
  std::sort(offences.begin(), offences.end(), [](const Offence &a, const Offence &b) {
    return a.value != b.value ? a.value > b.value : a.atom < b.atom;
  });
  if (offences.size() > LONGEST_LIST) offences.resize(LONGEST_LIST);
}

/* Those of all ranks. Collective. */

std::vector<FixGuard::Offence> FixGuard::all_offences(Criterion criterion) const
{
  const std::vector<Offence> mine = offences(criterion);
  std::vector<double> flat;
  for (const Offence &each : mine)
    flat.insert(flat.end(), {each.value, each.atom, each.partner, each.reference});
  const std::vector<double> gathered = gather_all(flat, MPI_DOUBLE, world);
  std::vector<Offence> all;
  for (size_t k = 0; k < gathered.size(); k += 4)
    all.push_back({gathered[k], gathered[k + 1], gathered[k + 2], gathered[k + 3]});
  keep_worst(all);
  return all;
}

double FixGuard::now() const
{
  return update->atime + (double) (update->ntimestep - update->atimestep) * update->dt;
}

/* Says what happened, writes the evidence, and stops the run if that was asked for. Collective. */

void FixGuard::report(Criterion criterion)
{
  if (first_criterion == NONE) {
    first_criterion = criterion;
    first_step = update->ntimestep;
  }
  // the last step of a run is also the first of the next: it is told of once
  const double before = reported_value[criterion], value = found[criterion];
  const bool told = reported_step[criterion] == update->ntimestep &&
      !(std::fabs(value - before) > 1e-9 * std::fabs(before));
  reported_step[criterion] = update->ntimestep;
  reported_value[criterion] = value;
  if (told) {
    stop_run();
    return;
  }
  nevents++;

  const std::vector<Offence> worst = all_offences(criterion);
  const double reference_length = worst.empty() ? 0.0 : worst[0].reference;
  std::vector<tagint> ids;
  for (const Offence &each : worst) {
    ids.push_back((tagint) each.atom);
    if (each.partner > 0.0) ids.push_back((tagint) each.partner);
  }
  std::vector<int> types(ids.size(), 0), all_types(ids.size(), 0);
  std::vector<int> ranks(ids.size(), -1), all_ranks(ids.size(), -1);
  for (size_t k = 0; k < ids.size(); k++)
    for (int i = 0; i < atom->nlocal; i++)
      if (atom->tag[i] == ids[k]) {
        types[k] = atom->type[i];
        ranks[k] = comm->me;
      }
  if (!ids.empty()) {
    MPI_Allreduce(types.data(), all_types.data(), (int) ids.size(), MPI_INT, MPI_MAX, world);
    MPI_Allreduce(ranks.data(), all_ranks.data(), (int) ids.size(), MPI_INT, MPI_MAX, world);
  }
  if (comm->me == 0) {
    const auto join = [&](const auto &text_of) {
      std::string text;
      for (size_t k = 0; k < ids.size(); k++) text += (k ? ", " : "") + text_of(k);
      return text;
    };
    const auto element = [&](size_t k) {
      const int z = numbers[all_types[k]];
      return z ? std::string(lamplighter::element_symbol(z))
               : "type " + std::to_string(all_types[k]);
    };
    std::string atoms;
    for (size_t k = 0; k < ids.size() && k < 4; k++)
      atoms += fmt::format("{}{} {}", k ? ", " : "", element(k), ids[k]);
    const std::string bound = criterion == DENSITY
        ? fmt::format("{:g} to {:g}", low[criterion], limit[criterion])
        : fmt::format("{:g}", limit[criterion]);
    std::string message = fmt::format("fix guard {}: {} at step {}: {:.6g}, limit {}", id,
                                      name_of(criterion), update->ntimestep, found[criterion],
                                      bound);
    if (!atoms.empty()) message += " (" + atoms + (ids.size() > 4 ? ", ..." : "") + ")";
    utils::logmesg(lmp, message + (stop ? "; the run is stopped\n" : "\n"));

    if (!event_file.empty()) {
      FILE *file = fopen(event_file.c_str(), "a");
      if (!file) error->one(FLERR, "fix guard: the file {} cannot be written", event_file);
      const auto number = [](double value) {
        return std::isfinite(value) ? fmt::format("{:.12g}", value) : std::string("null");
      };
      const double *lo = domain->boxlo, *hi = domain->boxhi;
      std::string line = fmt::format(
          "{{\"guard\": \"{}\", \"step\": {}, \"time\": {}, \"units\": \"{}\", \"criterion\": "
          "\"{}\", "
          "\"value\": {}, \"limit\": {}",
          id, update->ntimestep, number(now()), update->unit_style, name_of(criterion),
          number(found[criterion]),
          criterion == DENSITY
              ? fmt::format("[{}, {}]", number(low[criterion]), number(limit[criterion]))
              : number(limit[criterion]));
      if (criterion == STRETCH || criterion == RATIO)
        line += fmt::format(", \"reference_length\": {}", number(reference_length));
      line += fmt::format(
          ", \"action\": \"{}\", \"atoms\": [{}], \"elements\": [{}], \"ranks\": [{}]",
          stop ? "stop" : "record", join([&](size_t k) { return std::to_string(ids[k]); }),
          join([&](size_t k) { return "\"" + element(k) + "\""; }),
          join([&](size_t k) { return std::to_string(all_ranks[k]); }));
      line += fmt::format(
          ", \"box\": {{\"lo\": [{}, {}, {}], \"hi\": [{}, {}, {}], \"tilt\": [{}, {}, "
          "{}]}}}}\n",
          number(lo[0]), number(lo[1]), number(lo[2]), number(hi[0]), number(hi[1]), number(hi[2]),
          number(domain->xy), number(domain->xz), number(domain->yz));
      fputs(line.c_str(), file);
      fclose(file);
    }
  }
  if (!snapshot_file.empty()) write_snapshot(ids);
  stop_run();
}

void FixGuard::stop_run()
{
  if (!stop || timed_out_by_us) return;
  timer->force_timeout();
  timed_out_by_us = true;
}

/* ---------------------------------------------------------------------- */

FixGuard::Frame FixGuard::take_frame() const
{
  Frame frame;
  frame.step = update->ntimestep;
  frame.time = now();
  const double *variance = committee_variances();
  frame.has_variance = variance != nullptr;
  frame.variance_step = frame.has_variance ? (bigint) committee_number("committee_step") : -1;
  const double *h = domain->h;
  const double box[9] = {h[0], 0.0, 0.0, h[5], h[1], 0.0, h[4], h[3], h[2]};
  std::copy(box, box + 9, frame.box);
  std::copy(domain->boxlo, domain->boxlo + 3, frame.origin);
  frame.atoms.reserve((size_t) ATOM_NUMBERS * atom->nlocal);
  for (int i = 0; i < atom->nlocal; i++) {
    frame.atoms.push_back((double) atom->tag[i]);
    frame.atoms.push_back(atom->type[i]);
    for (int d = 0; d < 3; d++) frame.atoms.push_back(atom->x[i][d]);
    for (int d = 0; d < 3; d++) frame.atoms.push_back(atom->f[i][d]);
    frame.atoms.push_back(variance ? variance[i] : 0.0);
  }
  return frame;
}

/* The frames before this one, then this one, appended as extended XYZ. Collective. */

void FixGuard::write_snapshot(const std::vector<tagint> &marked)
{
  FILE *file = nullptr;
  if (comm->me == 0) {
    file = fopen(snapshot_file.c_str(), "a");
    if (!file) error->one(FLERR, "fix guard: the file {} cannot be written", snapshot_file);
  }
  const bool has_this = !frames.empty() && frames.back().step == update->ntimestep;
  for (size_t k = 0; k < frames.size() - (has_this ? 1 : 0); k++)
    write_frame(file, frames[k], {}, "before");
  write_frame(file, take_frame(), marked, "failure");
  frames.clear();
  if (file) fclose(file);
}

void FixGuard::write_frame(FILE *file, const Frame &frame, const std::vector<tagint> &marked,
                           const char *note) const
{
  int count = (int) frame.atoms.size();
  std::vector<int> counts(comm->nprocs), offsets(comm->nprocs, 0);
  MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
  for (int p = 1; p < comm->nprocs; p++) offsets[p] = offsets[p - 1] + counts[p - 1];
  std::vector<double> all(comm->me == 0 ? offsets.back() + counts.back() : 0);
  MPI_Gatherv(frame.atoms.data(), count, MPI_DOUBLE, all.data(), counts.data(), offsets.data(),
              MPI_DOUBLE, 0, world);
  if (!file) return;

  std::vector<size_t> order(all.size() / ATOM_NUMBERS);
  for (size_t k = 0; k < order.size(); k++) order[k] = ATOM_NUMBERS * k;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return all[a] < all[b]; });
  fprintf(file, "%d\nLattice=\"", (int) order.size());
  for (int k = 0; k < 9; k++) fprintf(file, "%s%.10g", k ? " " : "", frame.box[k]);
  fprintf(file,
          "\" Origin=\"%.10g %.10g %.10g\" "
          "Properties=species:S:1:pos:R:3:id:I:1:forces:R:3%s:guard:I:1",
          frame.origin[0], frame.origin[1], frame.origin[2],
          frame.has_variance ? ":committee_variance:R:1" : "");
  fprintf(file, " step=" BIGINT_FORMAT " time=%.10g guard_frame=%s pbc=\"%s %s %s\"", frame.step,
          frame.time, note, domain->periodicity[0] ? "T" : "F", domain->periodicity[1] ? "T" : "F",
          domain->periodicity[2] ? "T" : "F");
  if (frame.has_variance) fprintf(file, " committee_step=" BIGINT_FORMAT, frame.variance_step);
  fputs("\n", file);
  for (const size_t at : order) {
    const double *a = &all[at];
    const tagint tag = (tagint) a[0];
    const int z = numbers[(int) a[1]];
    const bool mark = std::find(marked.begin(), marked.end(), tag) != marked.end();
    fprintf(file, "%s %.10g %.10g %.10g %lld %.10g %.10g %.10g",
            z ? lamplighter::element_symbol(z) : "X", a[2] - frame.origin[0],
            a[3] - frame.origin[1], a[4] - frame.origin[2], (long long) tag, a[5], a[6], a[7]);
    if (frame.has_variance) fprintf(file, " %.10g", a[8]);
    fprintf(file, " %d\n", mark ? 1 : 0);
  }
}

/* ---------------------------------------------------------------------- */

/* 0, or the number of the criterion that was violated first in this run. */

double FixGuard::compute_scalar()
{
  return first_criterion;
}

/* What the last check found, criterion by criterion (1 bond stretch ... 10 deviation), the step of
   the first violation in this run or -1, and the number of violations so far. */

double FixGuard::compute_vector(int k)
{
  if (k < NCRITERIA - 1) return found[k + 1];
  return k == NCRITERIA - 1 ? (double) first_step : (double) nevents;
}

double FixGuard::memory_usage()
{
  double bytes = (double) atom->nmax *
      (sizeof(int) + most_bonds * (sizeof(tagint) + sizeof(double)));
  for (const Frame &frame : frames) bytes += (double) frame.atoms.capacity() * sizeof(double);
  return bytes;
}

void FixGuard::grow_arrays(int nmax)
{
  memory->grow(nbonds, nmax, "guard:nbonds");
  memory->grow(partner, nmax, most_bonds, "guard:partner");
  memory->grow(length, nmax, most_bonds, "guard:length");
}

void FixGuard::copy_arrays(int i, int j, int)
{
  nbonds[j] = nbonds[i];
  for (int k = 0; k < nbonds[i]; k++) {
    partner[j][k] = partner[i][k];
    length[j][k] = length[i][k];
  }
}

void FixGuard::set_arrays(int i)
{
  nbonds[i] = 0;
}

int FixGuard::pack_exchange(int i, double *buf)
{
  int m = 0;
  buf[m++] = nbonds[i];
  for (int k = 0; k < nbonds[i]; k++) {
    buf[m++] = ubuf(partner[i][k]).d;
    buf[m++] = length[i][k];
  }
  return m;
}

int FixGuard::unpack_exchange(int nlocal, double *buf)
{
  int m = 0;
  const int n = (int) buf[m++];
  nbonds[nlocal] = 0;
  for (int k = 0; k < n; k++) {
    const tagint other = (tagint) ubuf(buf[m++]).i;
    add_bond(nlocal, other, buf[m++]);
  }
  return m;
}

int FixGuard::pack_restart(int i, double *buf)
{
  const int n = pack_exchange(i, buf + 1);
  buf[0] = n + 1;
  return n + 1;
}

void FixGuard::unpack_restart(int nlocal, int nth)
{
  double **extra = atom->extra;
  int m = 0;
  for (int k = 0; k < nth; k++) m += (int) extra[nlocal][m];
  unpack_exchange(nlocal, extra[nlocal] + m + 1);
}

int FixGuard::size_restart(int i)
{
  return 2 * nbonds[i] + 2;
}
int FixGuard::maxsize_restart()
{
  return 2 * most_bonds + 2;
}

void FixGuard::write_restart(FILE *file)
{
  if (comm->me != 0) return;
  const double state[5] = {(have_bonds ? 1.0 : 0.0) + (have_density ? 2.0 : 0.0),
                           have_energy ? 1.0 : 0.0, energy_at_start, (double) nevents,
                           density_at_start};
  const int size = sizeof(state);
  fwrite(&size, sizeof(int), 1, file);
  fwrite(state, sizeof(double), 5, file);
}

void FixGuard::restart(char *buf)
{
  const double *state = (const double *) buf;
  have_bonds = (int) state[0] & 1;
  have_density = (int) state[0] & 2;    // files of older versions end before the density
  if (have_density) density_at_start = state[4];
  have_energy = state[1] > 0.5;
  energy_at_start = state[2];
  nevents = (bigint) state[3];
}

int FixGuard::pack_forward_comm(int n, int *sendlist, double *buf, int, int *)
{
  for (int i = 0; i < n; i++) buf[i] = forwarded[sendlist[i]];
  return n;
}

void FixGuard::unpack_forward_comm(int n, int first, double *buf)
{
  for (int i = 0; i < n; i++) forwarded[first + i] = buf[i];
}
