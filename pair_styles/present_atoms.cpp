// SPDX-License-Identifier: GPL-2.0-or-later

#include "present_atoms.h"

#include "gather_all.h"

#include "atom.h"
#include "group.h"
#include "neighbor.h"

#include <algorithm>
#include <set>
#include <utility>

using namespace LAMMPS_NS;

static constexpr int ALL = 1;    // bit of group all

PresentAtoms::PresentAtoms(LAMMPS *lmp) : Pointers(lmp), all_(true), count_(0) {}

bigint PresentAtoms::count() const
{
  return all_ ? atom->natoms : count_;
}

std::string PresentAtoms::find()
{
  all_ = true;
  if (!neighbor->exclude && !neighbor->includegroup) return "";

  const int named = groups_named();
  const std::vector<Sort> sorts = sorts_of_all_ranks(named);
  // A fix that tries how the system is without an atom takes it out of group all for the while.
  std::set<std::pair<int, int>> gone;
  for (const Sort &a : sorts) {
    bool apart = true;
    for (const Sort &b : sorts)
      apart = apart && (!(b.groups & ALL) || !in_lists(b) || !exclusion(a, b).empty());
    if (apart || !in_lists(a)) gone.insert({a.type, a.groups});
  }

  const int nlocal = atom->nlocal;
  there_.assign(nlocal, 1);
  absent_.assign(std::max(nlocal, 1), 0);
  bigint mine = 0;
  for (int i = 0; i < nlocal; i++) {
    there_[i] = !gone.count({atom->type[i], atom->mask[i] & named});
    absent_[i] = !there_[i];
    mine += there_[i];
  }
  all_ = gone.empty();
  MPI_Allreduce(&mine, &count_, 1, MPI_LMP_BIGINT, MPI_SUM, world);

  for (const Sort &a : sorts)
    for (const Sort &b : sorts) {
      if (gone.count({a.type, a.groups}) || gone.count({b.type, b.groups})) continue;
      const std::string found = exclusion(a, b);
      if (!found.empty()) return found;
    }
  return molecule_exclusion();
}

/* The bits of all groups that have a say in which pairs are listed. */

int PresentAtoms::groups_named() const
{
  int groups = ALL;
  for (int m = 0; m < neighbor->nex_group; m++)
    groups |= neighbor->ex1_bit[m] | neighbor->ex2_bit[m];
  if (neighbor->includegroup) groups |= group->bitmask[neighbor->includegroup];
  return groups;
}

std::vector<PresentAtoms::Sort> PresentAtoms::sorts_of_all_ranks(int groups) const
{
  std::set<std::pair<int, int>> here;
  for (int i = 0; i < atom->nlocal; i++) here.insert({atom->type[i], atom->mask[i] & groups});
  std::vector<int> mine;
  for (const auto &[type, bits] : here) {
    mine.push_back(type);
    mine.push_back(bits);
  }
  const std::vector<int> everyones = gather_all(mine, MPI_INT, world);
  here.clear();
  for (size_t k = 0; k + 1 < everyones.size(); k += 2)
    here.insert({everyones[k], everyones[k + 1]});
  std::vector<Sort> sorts;
  for (const auto &[type, bits] : here) sorts.push_back({type, bits});
  return sorts;
}

/* Whether `neigh_modify include` leaves it in. */

bool PresentAtoms::in_lists(const Sort &a) const
{
  return !neighbor->includegroup || (a.groups & group->bitmask[neighbor->includegroup]);
}

/* What takes pairs of these atoms out of the lists, by types or groups; nothing if they are in. */

std::string PresentAtoms::exclusion(const Sort &a, const Sort &b) const
{
  if (!neighbor->exclude) return "";
  if (neighbor->nex_type && neighbor->ex_type[a.type][b.type])
    return fmt::format("exclude type {} {}", std::min(a.type, b.type), std::max(a.type, b.type));
  for (int m = 0; m < neighbor->nex_group; m++) {
    const int first = neighbor->ex1_bit[m], second = neighbor->ex2_bit[m];
    if (((a.groups & first) && (b.groups & second)) || ((a.groups & second) && (b.groups & first)))
      return fmt::format("exclude group {} {}", group->names[neighbor->ex1_group[m]],
                         group->names[neighbor->ex2_group[m]]);
  }
  return "";
}

/* The same by molecules, of the atoms that are there. Collective. */

std::string PresentAtoms::molecule_exclusion() const
{
  if (!neighbor->exclude) return "";
  for (int m = 0; m < neighbor->nex_mol; m++) {
    // the largest number, and of minus the number
    tagint mine[2] = {-MAXTAGINT, -MAXTAGINT}, most[2];
    for (int i = 0; i < atom->nlocal; i++)
      if (has(i) && (atom->mask[i] & neighbor->ex_mol_bit[m])) {
        mine[0] = std::max(mine[0], atom->molecule[i]);
        mine[1] = std::max(mine[1], -atom->molecule[i]);
      }
    MPI_Allreduce(mine, most, 2, MPI_LMP_TAGINT, MPI_MAX, world);
    const bool none = most[0] == -MAXTAGINT, one = most[0] == -most[1];
    if (none || (one && !neighbor->ex_mol_intra[m])) continue;
    return fmt::format("exclude molecule/{} {}", neighbor->ex_mol_intra[m] ? "intra" : "inter",
                       group->names[neighbor->ex_mol_group[m]]);
  }
  return "";
}
