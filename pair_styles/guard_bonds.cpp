// SPDX-License-Identifier: GPL-2.0-or-later

#include "guard_bonds.h"

#include "command_words.h"
#include "elements.h"
#include "gather_all.h"
#include "metal_ions.h"
#include "stop_all.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>

using namespace LAMMPS_NS;

static constexpr size_t BONDS_AT_ONCE = 4096;    // of a file, in one message

GuardBonds::GuardBonds(LAMMPS *lmp, Fix *fix, const std::vector<int> &numbers) :
    Pointers(lmp), fix_(fix), numbers_(numbers), reference_(Reference::MEAN),
    source_(Source::GEOMETRY), tolerance_(1.15), ions_apart_(true), most_bonds_(4),
    nbonds_(nullptr), partner_(nullptr), length_(nullptr), known_(false), forwarded_(nullptr),
    list_(nullptr), out_of_sight_(false)
{
  fix_->maxexchange = 2 * most_bonds_ + 1;
}

GuardBonds::~GuardBonds()
{
  memory->destroy(nbonds_);
  memory->destroy(partner_);
  memory->destroy(length_);
}

/* ---------------------------------------------------------------------- */

std::string GuardBonds::keywords()
{
  return "reference, bonds, tolerance, ions, bonded, unbonded, list";
}

bool GuardBonds::take_keyword(const std::string &key, CommandWords &words)
{
  if (key == "reference") {
    const std::string kind = words.value_of(key);
    reference_ = kind == "mean" ? Reference::MEAN
        : kind == "initial"     ? Reference::INITIAL
                                : Reference::FROM_FILE;
    if (reference_ == Reference::FROM_FILE) reference_file_ = kind;
  } else if (key == "bonds") {
    const std::string kind = words.value_of(key);
    source_ = kind == "geometry" ? Source::GEOMETRY
        : kind == "topology"     ? Source::TOPOLOGY
                                 : Source::FROM_FILE;
    if (source_ == Source::FROM_FILE) bonds_file_ = kind;
  } else if (key == "tolerance") {
    tolerance_ = words.number_of(key);
    if (!(tolerance_ > 0.5 && tolerance_ < 2.0))
      error->all(FLERR,
                 "fix guard: 'tolerance' times the sum of two covalent radii is the longest bond; "
                 "it must lie between 0.5 and 2, got {}",
                 tolerance_);
  } else if (key == "ions") {
    const std::string kind = words.value_of(key);
    if (kind != "auto" && kind != "none")
      error->all(FLERR, "fix guard: ions must be auto or none, got '{}'", kind);
    ions_apart_ = kind == "auto";
  } else if (key == "bonded") {
    read_words(key, words, bonded_);
  } else if (key == "unbonded") {
    read_words(key, words, unbonded_);
  } else if (key == "list") {
    list_file_ = words.value_of(key);
  } else {
    return false;
  }
  return true;
}

void GuardBonds::read_words(const std::string &key, CommandWords &words,
                            lamplighter::BondWords &read) const
{
  const std::string wrong = read.read(words.value_of(key));
  if (!wrong.empty())
    error->all(FLERR,
               "fix guard: {} '{}' is no element (Li), no pair of elements (Zn-O) and no pair of "
               "atoms by their IDs (12-57)",
               key, wrong);
}

void GuardBonds::init()
{
  if (atom->map_style == Atom::MAP_NONE)
    error->all(FLERR,
               "fix guard: bonds are followed by atom IDs, which takes an atom map: put "
               "'atom_modify map yes' before the box is created");
  if (!known_ && source_ == Source::GEOMETRY)
    neighbor->add_request(fix_, NeighConst::REQ_FULL | NeighConst::REQ_OCCASIONAL);
}

void GuardBonds::find(const std::function<double(double)> &longest_watched)
{
  for (int i = 0; i < atom->nlocal; i++) nbonds_[i] = 0;
  if (source_ == Source::GEOMETRY)
    find_by_geometry();
  else if (source_ == Source::TOPOLOGY)
    find_in_topology();
  else
    read_file();
  known_ = true;

  bigint mine = 0, total;
  for (int i = 0; i < atom->nlocal; i++) mine += nbonds_[i];
  MPI_Allreduce(&mine, &total, 1, MPI_LMP_BIGINT, MPI_SUM, world);
  if (reference_ == Reference::MEAN)
    set_mean_lengths();
  else if (reference_ == Reference::FROM_FILE)
    set_lengths_from_file();
  require_sight(longest_watched);
  if (!list_file_.empty()) write_list();
  if (comm->me == 0) utils::logmesg(lmp, "fix guard {}: watching {} bonds\n", fix_->id, total);
}

/* Room for more bonds of each atom. LAMMPS' grow keeps rows, not columns. */

void GuardBonds::widen()
{
  tagint **old_partner = partner_;
  double **old_length = length_;
  const int before = most_bonds_;
  most_bonds_ += 4;
  memory->create(partner_, atom->nmax, most_bonds_, "guard:partner");
  memory->create(length_, atom->nmax, most_bonds_, "guard:length");
  for (int i = 0; i < atom->nmax; i++)
    for (int k = 0; k < before; k++) {
      partner_[i][k] = old_partner[i][k];
      length_[i][k] = old_length[i][k];
    }
  memory->destroy(old_partner);
  memory->destroy(old_length);
  fix_->maxexchange = 2 * most_bonds_ + 1;
}

void GuardBonds::add(int i, tagint other, double r)
{
  if (nbonds_[i] == most_bonds_) widen();
  partner_[i][nbonds_[i]] = other;
  length_[i][nbonds_[i]++] = r;
}

void GuardBonds::add_at_present_length(int i, tagint other)
{
  add(i, other, 0.0);
  length_[i][nbonds_[i] - 1] = present_length(i, nbonds_[i] - 1);
}

/* ---------------------------------------------------------------------- */

/* Pairs closer than the tolerance times the sum of their covalent radii are in contact; bonds are
   contacts without those of metal ions, and with what the user says of them. */

void GuardBonds::find_by_geometry()
{
  double longest = 0.0;
  for (int itype = 1; itype <= atom->ntypes; itype++) {
    if (!numbers_[itype])
      error->all(FLERR,
                 "fix guard: the element of atom type {} is not known by its mass, and bonds are "
                 "found by covalent radii: give 'elements E1 E2 ...', one for each type",
                 itype);
    longest = std::max(longest, lamplighter::covalent_radius(numbers_[itype]));
  }
  longest *= 2.0 * tolerance_ * force->angstrom;
  if (neighbor->cutneighmin < longest && force->pair && force->pair->cutforce < longest)
    error->all(
        FLERR,
        "fix guard: bonds up to {:.3g} cannot be seen with a neighbour cutoff of {:.3g}: "
        "raise it with 'comm_modify cutoff' and the pair style's cutoff, or give 'bonds FILE'",
        longest, neighbor->cutneighmin);

  neighbor->build_one(list_);
  const std::vector<double> flags = flags_of_atoms();
  double **x = atom->x;
  tagint *tag = atom->tag;
  for (int ii = 0; ii < list_->inum; ii++) {
    const int i = list_->ilist[ii];
    if (!(atom->mask[i] & fix_->groupbit)) continue;
    for (int jj = 0; jj < list_->numneigh[i]; jj++) {
      const int j = list_->firstneigh[i][jj] & NEIGHMASK;
      if (tag[j] <= tag[i] || !(atom->mask[j] & fix_->groupbit)) continue;
      if (!in_contact(i, j) || !is_bond(i, j, flags)) continue;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      add(i, tag[j], std::sqrt(dx * dx + dy * dy + dz * dz));
    }
  }
  add_named_atoms();
}

/* The distance up to which two atoms are in contact. */

double GuardBonds::longest_contact(int i, int j) const
{
  return tolerance_ * force->angstrom *
      (lamplighter::covalent_radius(numbers_[atom->type[i]]) +
       lamplighter::covalent_radius(numbers_[atom->type[j]]));
}

bool GuardBonds::in_contact(int i, int j) const
{
  const double *a = atom->x[i], *b = atom->x[j];
  const double dx = b[0] - a[0], dy = b[1] - a[1], dz = b[2] - a[2];
  const double most = longest_contact(i, j);
  return dx * dx + dy * dy + dz * dz < most * most;
}

/* Whether a donor touches both atoms of a contact; i is an atom of this rank. */

bool GuardBonds::through_donor(int i, int j, const std::vector<double> &flags) const
{
  for (int kk = 0; kk < list_->numneigh[i]; kk++) {
    const int k = list_->firstneigh[i][kk] & NEIGHMASK;
    if (((int) flags[k] & lamplighter::DONOR) && in_contact(i, k) && in_contact(k, j)) return true;
  }
  return false;
}

/* What atoms and ghosts are by their elements and contacts. Collective. */

std::vector<double> GuardBonds::flags_of_atoms()
{
  std::vector<double> flags(atom->nmax, 0.0);
  const auto number_of = [&](int i) { return numbers_[atom->type[i]]; };
  const auto contacts_of = [&](int i, const auto &take) {
    for (int jj = 0; jj < list_->numneigh[i]; jj++) {
      const int j = list_->firstneigh[i][jj] & NEIGHMASK;
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
  forwarded_ = flags.data();
  comm->forward_comm(fix_);

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
  comm->forward_comm(fix_);
  forwarded_ = nullptr;
  return flags;
}

/* Whether two atoms in contact are bonded. */

bool GuardBonds::is_bond(int i, int j, const std::vector<double> &flags) const
{
  const int here = (int) flags[i], there = (int) flags[j];
  const bool metal_here = here & lamplighter::METAL, metal_there = there & lamplighter::METAL;
  bool bond = true;
  if (ions_apart_) {
    if (metal_here && metal_there)
      bond = !((here | there) & lamplighter::ION);
    else if (metal_here || metal_there)
      bond = lamplighter::holds_ligand(metal_here ? here : there, metal_here ? there : here,
                                       through_donor(i, j, flags));
  }
  const int za = numbers_[atom->type[i]], zb = numbers_[atom->type[j]];
  if (unbonded_.name_elements(za, zb)) bond = false;
  if (bonded_.name_elements(za, zb)) bond = true;
  if (unbonded_.name_atoms(atom->tag[i], atom->tag[j])) bond = false;
  if (bonded_.name_atoms(atom->tag[i], atom->tag[j])) bond = true;
  return bond;
}

/* Pairs of atoms that the user names are bonded at any distance. */

void GuardBonds::add_named_atoms()
{
  for (const auto &[a, b] : bonded_.of_atoms) {
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
    if (!here || !(atom->mask[i] & fix_->groupbit)) continue;
    if (std::find(partner_[i], partner_[i] + nbonds_[i], (tagint) b) != partner_[i] + nbonds_[i])
      continue;
    add_at_present_length(i, (tagint) b);
  }
}

/* The bonds of the data file. */

void GuardBonds::find_in_topology()
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
  for_each_rank(ends, MPI_LMP_TAGINT, world, [this](const std::vector<tagint> &theirs) {
    for (size_t k = 0; k + 1 < theirs.size(); k += 2) {
      const int i = atom->map(theirs[k]);
      if (i < 0 || i >= atom->nlocal || !(atom->mask[i] & fix_->groupbit)) continue;
      add_at_present_length(i, theirs[k + 1]);
    }
  });
}

/* Lines "ID1 ID2 [length]"; # begins a comment. Of a LAMMPS data file the Bonds section. The first
   rank reads, and all ranks get the bonds in parts, of which each keeps its own. */

void GuardBonds::read_file()
{
  std::ifstream file;
  std::string line, problem;
  bool is_data = false, in_section = false;
  int lines = 0;
  if (comm->me == 0) {
    file.open(bonds_file_);
    if (!file) problem = fmt::format("the list of bonds {} cannot be read", bonds_file_);
    while (std::getline(file, line)) is_data = is_data || utils::strmatch(line, "^\\s*Bonds");
    file.clear();
    file.seekg(0);
  }
  std::vector<double> part;    // of a bond: line, lower ID, higher ID, length or 0
  int more = 1;
  while (more) {
    part.clear();
    while (comm->me == 0 && problem.empty() && part.size() < 4 * BONDS_AT_ONCE &&
           std::getline(file, line)) {
      lines++;
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
      if (!(words >> b)) {
        problem = fmt::format("line {} of {} is not 'ID1 ID2 [length]'", lines, bonds_file_);
        break;
      }
      if (!is_data) words >> r;
      part.insert(part.end(),
                  {(double) lines, (double) std::min(a, b), (double) std::max(a, b), r});
    }
    stop_all_if(lmp, problem.empty() ? "" : "fix guard: " + problem);
    more = (int) part.size();
    MPI_Bcast(&more, 1, MPI_INT, 0, world);
    part.resize(more);
    MPI_Bcast(part.data(), more, MPI_DOUBLE, 0, world);
    take_bonds(part);
  }
}

/* The bonds of a part of the file whose first atoms are this rank's. Collective. */

void GuardBonds::take_bonds(const std::vector<double> &part)
{
  // an array of atoms by ID ends at the highest one
  const auto find = [this](double tag) {
    return tag < 1.0 || tag > (double) atom->map_tag_max ? -1 : atom->map((tagint) tag);
  };
  const int count = (int) part.size() / 4;
  std::vector<int> mine(2 * count), all(2 * count);
  for (int k = 0; k < 2 * count; k++) {
    const int i = find(part[4 * (k / 2) + 1 + k % 2]);
    mine[k] = i >= 0 && i < atom->nlocal;
  }
  MPI_Allreduce(mine.data(), all.data(), 2 * count, MPI_INT, MPI_SUM, world);
  for (int k = 0; k < count; k++) {
    const double *bond = &part[4 * k];
    const auto a = (tagint) bond[1], b = (tagint) bond[2];
    const auto number = (bigint) bond[0];
    if (!all[2 * k] || !all[2 * k + 1])
      error->all(FLERR,
                 "fix guard: line {} of {} names the atoms {} and {}, and there is no atom {}",
                 number, bonds_file_, a, b, all[2 * k] ? b : a);
    if (a == b)
      error->all(FLERR, "fix guard: line {} of {} bonds atom {} to itself", number, bonds_file_, a);
    if (!mine[2 * k]) continue;
    const int i = atom->map(a);
    if (bond[3] > 0.0)
      add(i, b, bond[3]);
    else
      add_at_present_length(i, b);
  }
}

/* The present length of a bond of local atom i; negative where the partner is out of reach. */

double GuardBonds::present_length(int i, int bond) const
{
  const int j = atom->map(partner_[i][bond]);
  if (j < 0) return -1.0;
  double **x = atom->x;
  double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
  domain->minimum_image(FLERR, dx, dy, dz);
  return std::sqrt(dx * dx + dy * dy + dz * dz);
}

/* Bonds between the same elements with the same numbers of bonds get the mean of their lengths. */

void GuardBonds::set_mean_lengths()
{
  std::vector<double> counts(atom->nmax, 0.0);
  forwarded_ = counts.data();
  // a bond counts for both of its atoms, wherever they are
  const int nlocal = atom->nlocal;
  std::vector<tagint> others;
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++) {
      counts[i] += 1.0;
      const int j = atom->map(partner_[i][k]);
      if (j >= 0 && j < nlocal)
        counts[j] += 1.0;
      else
        others.push_back(partner_[i][k]);
    }
  for_each_rank(others, MPI_LMP_TAGINT, world, [&](const std::vector<tagint> &theirs) {
    for (const tagint tag : theirs) {
      const int j = atom->map(tag);
      if (j >= 0 && j < nlocal) counts[j] += 1.0;
    }
  });
  comm->forward_comm(fix_);

  const auto class_of = [&](int i, int k) {
    const int j = atom->map(partner_[i][k]);
    int a = 1000 * numbers_[atom->type[i]] + (int) counts[i];
    int b = j < 0 ? 0 : 1000 * numbers_[atom->type[j]] + (int) counts[j];
    // without elements, types serve
    if (!numbers_[atom->type[i]]) a += 1000 * (200 + atom->type[i]);
    if (j >= 0 && !numbers_[atom->type[j]]) b += 1000 * (200 + atom->type[j]);
    return std::make_pair(std::min(a, b), std::max(a, b));
  };
  std::map<std::pair<int, int>, std::pair<double, double>> sums;    // sum, count
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++) {
      auto &sum = sums[class_of(i, k)];
      sum.first += length_[i][k];
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
    for (int k = 0; k < nbonds_[i]; k++) {
      const auto &sum = sums[class_of(i, k)];
      length_[i][k] = sum.first / sum.second;
    }
  forwarded_ = nullptr;
}

/* Lines "ELEMENT1 ELEMENT2 length". */

void GuardBonds::set_lengths_from_file()
{
  std::ifstream file(reference_file_);
  if (!file)
    error->all(
        FLERR,
        "fix guard: reference must be mean, initial or a file of bond lengths, and {} cannot "
        "be read",
        reference_file_);
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
                 reference_file_);
    lengths[{std::min(za, zb), std::max(za, zb)}] = r;
  }
  std::string lacking;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++) {
      const int j = atom->map(partner_[i][k]);
      const int za = numbers_[atom->type[i]], zb = j < 0 ? 0 : numbers_[atom->type[j]];
      const auto known = lengths.find({std::min(za, zb), std::max(za, zb)});
      if (known != lengths.end())
        length_[i][k] = known->second;
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
  error->all(FLERR, "fix guard: {} has no length for {} bonds", reference_file_, name);
}

/* A bond must be seen while it stretches to its limit. */

void GuardBonds::require_sight(const std::function<double(double)> &longest_watched) const
{
  double longest = 0.0, missing = 0.0;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++) {
      longest = std::max(longest, longest_watched(length_[i][k]));
      if (atom->map(partner_[i][k]) < 0) missing = 1.0;
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

/* The bonds that are watched, as 'bonds FILE' reads them. Collective. */

void GuardBonds::write_list() const
{
  std::vector<double> mine;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++)
      mine.insert(mine.end(), {(double) atom->tag[i], (double) partner_[i][k], length_[i][k]});
  const std::vector<double> all = gather_on_first(mine, MPI_DOUBLE, world);
  if (comm->me != 0) return;
  std::vector<size_t> order(all.size() / 3);
  for (size_t k = 0; k < order.size(); k++) order[k] = 3 * k;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::make_pair(all[a], all[a + 1]) < std::make_pair(all[b], all[b + 1]);
  });
  FILE *file = fopen(list_file_.c_str(), "w");
  if (!file) error->one(FLERR, "fix guard: the file {} cannot be written", list_file_);
  fputs("# ID1 ID2 reference length\n", file);
  for (const size_t at : order)
    fprintf(file, "%lld %lld %.10g\n", (long long) all[at], (long long) all[at + 1], all[at + 2]);
  fclose(file);
}

/* ---------------------------------------------------------------------- */

/* Bonds by the rows of their atoms, which hold until the next neighbour list: one pass over this
   is several times as fast as one over partners by ID. */

void GuardBonds::list_rows()
{
  rows_.clear();
  out_of_sight_ = false;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++) {
      const int j = domain->closest_image(i, atom->map(partner_[i][k]));
      if (j < 0)
        out_of_sight_ = true;    // farther than this rank can see, and than any limit
      else
        rows_.push_back({i, j, length_[i][k]});
    }
}

/* The largest stretch and ratio of all bonds. Roots are taken of the few that are longer than all
   before, images of the few that reach across a boundary without a ghost of their own. */

void GuardBonds::measure(double &stretch, double &ratio) const
{
  const double *x = atom->nlocal ? atom->x[0] : nullptr;
  const double width = std::min({domain->prd[0], domain->prd[1], domain->prd[2]});
  // in a tilted box images may be closer than its edges are long
  const double near_sq = domain->triclinic ? 0.0 : 0.25 * width * width;
  for (const Row &bond : rows_) {
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
  if (out_of_sight_) stretch = ratio = 1e30;
}

std::vector<LongBond> GuardBonds::longer(const std::function<bool(double, double)> &is_long) const
{
  std::vector<LongBond> found;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < nbonds_[i]; k++) {
      const double r = present_length(i, k);
      if (r < 0.0 || is_long(r, length_[i][k]))
        found.push_back({r, length_[i][k], atom->tag[i], partner_[i][k]});
    }
  return found;
}

/* ---------------------------------------------------------------------- */

double GuardBonds::memory_usage() const
{
  return (double) atom->nmax * (sizeof(int) + most_bonds_ * (sizeof(tagint) + sizeof(double)));
}

void GuardBonds::grow_arrays(int nmax)
{
  memory->grow(nbonds_, nmax, "guard:nbonds");
  memory->grow(partner_, nmax, most_bonds_, "guard:partner");
  memory->grow(length_, nmax, most_bonds_, "guard:length");
}

void GuardBonds::copy_arrays(int i, int j)
{
  nbonds_[j] = nbonds_[i];
  for (int k = 0; k < nbonds_[i]; k++) {
    partner_[j][k] = partner_[i][k];
    length_[j][k] = length_[i][k];
  }
}

int GuardBonds::pack_exchange(int i, double *buf) const
{
  int m = 0;
  buf[m++] = nbonds_[i];
  for (int k = 0; k < nbonds_[i]; k++) {
    buf[m++] = ubuf(partner_[i][k]).d;
    buf[m++] = length_[i][k];
  }
  return m;
}

int GuardBonds::unpack_exchange(int nlocal, const double *buf)
{
  int m = 0;
  const int n = (int) buf[m++];
  nbonds_[nlocal] = 0;
  for (int k = 0; k < n; k++) {
    const tagint other = (tagint) ubuf(buf[m++]).i;
    add(nlocal, other, buf[m++]);
  }
  return m;
}

int GuardBonds::pack_forward_comm(int n, const int *sendlist, double *buf) const
{
  for (int i = 0; i < n; i++) buf[i] = forwarded_[sendlist[i]];
  return n;
}

void GuardBonds::unpack_forward_comm(int n, int first, const double *buf)
{
  for (int i = 0; i < n; i++) forwarded_[first + i] = buf[i];
}
