// SPDX-License-Identifier: GPL-2.0-or-later

#include "guard_bonds.h"

#include "command_words.h"
#include "gather_all.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "utils.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

GuardBonds::GuardBonds(LAMMPS *lmp, Fix *fix, const std::vector<int> &numbers) :
    Pointers(lmp), fix_(fix), bonds_(lmp, fix), finder_(lmp, fix, numbers, bonds_),
    references_(lmp, numbers, bonds_), known_(false), out_of_sight_(false)
{
}

std::string GuardBonds::keywords()
{
  return "reference, bonds, tolerance, ions, bonded, unbonded, list";
}

bool GuardBonds::take_keyword(const std::string &key, CommandWords &words)
{
  if (references_.take_keyword(key, words) || finder_.take_keyword(key, words)) return true;
  if (key != "list") return false;
  list_file_ = words.value_of(key);
  return true;
}

void GuardBonds::init()
{
  if (atom->map_style == Atom::MAP_NONE)
    error->all(FLERR,
               "fix guard: bonds are followed by atom IDs, which takes an atom map: put "
               "'atom_modify map yes' before the box is created");
  if (!known_) finder_.ask_for_list();
}

void GuardBonds::find(const std::function<double(double)> &longest_watched)
{
  finder_.find();
  known_ = true;

  bigint mine = 0, total;
  for (int i = 0; i < atom->nlocal; i++) mine += bonds_.count(i);
  MPI_Allreduce(&mine, &total, 1, MPI_LMP_BIGINT, MPI_SUM, world);
  references_.set();
  require_sight(longest_watched);
  if (!list_file_.empty()) write_list();
  if (comm->me == 0) utils::logmesg(lmp, "fix guard {}: watching {} bonds\n", fix_->id, total);
}

/* A bond must be seen while it stretches to its limit. */

void GuardBonds::require_sight(const std::function<double(double)> &longest_watched) const
{
  double longest = 0.0, missing = 0.0;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < bonds_.count(i); k++) {
      longest = std::max(longest, longest_watched(bonds_.reference(i, k)));
      if (atom->map(bonds_.partner(i, k)) < 0) missing = 1.0;
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
    for (int k = 0; k < bonds_.count(i); k++)
      mine.insert(mine.end(),
                  {(double) atom->tag[i], (double) bonds_.partner(i, k), bonds_.reference(i, k)});
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
    for (int k = 0; k < bonds_.count(i); k++) {
      const int j = domain->closest_image(i, atom->map(bonds_.partner(i, k)));
      if (j < 0)
        out_of_sight_ = true;    // farther than this rank can see, and than any limit
      else
        rows_.push_back({i, j, bonds_.reference(i, k)});
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
    for (int k = 0; k < bonds_.count(i); k++) {
      const double r = bonds_.present_length(i, k);
      if (r < 0.0 || is_long(r, bonds_.reference(i, k)))
        found.push_back({r, bonds_.reference(i, k), atom->tag[i], bonds_.partner(i, k)});
    }
  return found;
}
