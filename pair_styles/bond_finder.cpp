// SPDX-License-Identifier: GPL-2.0-or-later

#include "bond_finder.h"

#include "bonds_of_atoms.h"
#include "command_words.h"
#include "elements.h"
#include "gather_all.h"
#include "metal_ions.h"
#include "stop_all.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>

using namespace LAMMPS_NS;

static constexpr size_t BONDS_AT_ONCE = 4096;    // of a file, in one message

BondFinder::BondFinder(LAMMPS *lmp, Fix *fix, const std::vector<int> &numbers,
                       BondsOfAtoms &bonds) :
    Pointers(lmp), fix_(fix), numbers_(numbers), bonds_(bonds), source_(Source::GEOMETRY),
    tolerance_(1.15), ions_apart_(true), list_(nullptr)
{
}

bool BondFinder::take_keyword(const std::string &key, CommandWords &words)
{
  if (key == "bonds") {
    const std::string kind = words.value_of(key);
    source_ = kind == "geometry" ? Source::GEOMETRY
        : kind == "topology"     ? Source::TOPOLOGY
                                 : Source::FROM_FILE;
    if (source_ == Source::FROM_FILE) file_ = kind;
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
  } else {
    return false;
  }
  return true;
}

void BondFinder::read_words(const std::string &key, CommandWords &words,
                            lamplighter::BondWords &read) const
{
  const std::string wrong = read.read(words.value_of(key));
  if (!wrong.empty())
    error->all(FLERR,
               "fix guard: {} '{}' is no element (Li), no pair of elements (Zn-O) and no pair of "
               "atoms by their IDs (12-57)",
               key, wrong);
}

void BondFinder::ask_for_list()
{
  if (source_ == Source::GEOMETRY)
    neighbor->add_request(fix_, NeighConst::REQ_FULL | NeighConst::REQ_OCCASIONAL);
}

void BondFinder::find()
{
  bonds_.clear();
  if (source_ == Source::GEOMETRY)
    find_by_geometry();
  else if (source_ == Source::TOPOLOGY)
    find_in_topology();
  else
    read_file();
}

/* Pairs closer than the tolerance times the sum of their covalent radii are in contact; bonds are
   contacts without those of metal ions, and with what the user says of them. */

void BondFinder::find_by_geometry()
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
      bonds_.add(i, tag[j], std::sqrt(dx * dx + dy * dy + dz * dz));
    }
  }
  add_named_atoms();
}

/* The distance up to which two atoms are in contact. */

double BondFinder::longest_contact(int i, int j) const
{
  return tolerance_ * force->angstrom *
      (lamplighter::covalent_radius(numbers_[atom->type[i]]) +
       lamplighter::covalent_radius(numbers_[atom->type[j]]));
}

bool BondFinder::in_contact(int i, int j) const
{
  const double *a = atom->x[i], *b = atom->x[j];
  const double dx = b[0] - a[0], dy = b[1] - a[1], dz = b[2] - a[2];
  const double most = longest_contact(i, j);
  return dx * dx + dy * dy + dz * dz < most * most;
}

/* Whether a donor touches both atoms of a contact; i is an atom of this rank. */

bool BondFinder::through_donor(int i, int j, const std::vector<double> &flags) const
{
  for (int kk = 0; kk < list_->numneigh[i]; kk++) {
    const int k = list_->firstneigh[i][kk] & NEIGHMASK;
    if (((int) flags[k] & lamplighter::DONOR) && in_contact(i, k) && in_contact(k, j)) return true;
  }
  return false;
}

/* What atoms and ghosts are by their elements and contacts. Collective. */

std::vector<double> BondFinder::flags_of_atoms()
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
  bonds_.forward(flags);

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
  bonds_.forward(flags);
  return flags;
}

/* Whether two atoms in contact are bonded. */

bool BondFinder::is_bond(int i, int j, const std::vector<double> &flags) const
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

void BondFinder::add_named_atoms()
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
    if (bonds_.has(i, (tagint) b)) continue;
    bonds_.add_at_present_length(i, (tagint) b);
  }
}

/* The bonds of the data file. */

void BondFinder::find_in_topology()
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
      bonds_.add_at_present_length(i, theirs[k + 1]);
    }
  });
}

/* Lines "ID1 ID2 [length]"; # begins a comment. Of a LAMMPS data file the Bonds section. The first
   rank reads, and all ranks get the bonds in parts, of which each keeps its own. */

void BondFinder::read_file()
{
  std::ifstream file;
  std::string line, problem;
  bool is_data = false, in_section = false;
  int lines = 0;
  if (comm->me == 0) {
    file.open(file_);
    if (!file) problem = fmt::format("the list of bonds {} cannot be read", file_);
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
        problem = fmt::format("line {} of {} is not 'ID1 ID2 [length]'", lines, file_);
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

void BondFinder::take_bonds(const std::vector<double> &part)
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
                 number, file_, a, b, all[2 * k] ? b : a);
    if (a == b)
      error->all(FLERR, "fix guard: line {} of {} bonds atom {} to itself", number, file_, a);
    if (!mine[2 * k]) continue;
    const int i = atom->map(a);
    if (bond[3] > 0.0)
      bonds_.add(i, b, bond[3]);
    else
      bonds_.add_at_present_length(i, b);
  }
}
