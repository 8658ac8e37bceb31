// SPDX-License-Identifier: GPL-2.0-or-later

#include "extrapolation.h"

#include "file_name.h"
#include "fix_lamplighter_carry.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "modify.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

namespace {
constexpr int NGLOBAL = 3;    // numbers before those of the atom types
}    // namespace

Extrapolation::Extrapolation(LAMMPS *lmp, const std::string &style) :
    Pointers(lmp), style_(style), every_(0), found_{0.0, 0.0, -1.0}, carry_(nullptr)
{
}

Extrapolation::~Extrapolation()
{
  if (carry_ && modify && modify->get_fix_by_id(carry_id_)) modify->delete_fix(carry_id_);
}

int Extrapolation::take_keyword(int narg, char **arg, int iarg)
{
  if (strcmp(arg[iarg], "extrapolation") != 0) return 0;
  if (iarg + 2 >= narg || strcmp(arg[iarg + 1], "every") != 0)
    error->all(FLERR, "{}: expected 'extrapolation every N'", style_);
  every_ = utils::inumeric(FLERR, arg[iarg + 2], false, lmp);
  if (every_ < 1)
    error->all(FLERR, "{}: 'extrapolation every N' needs N >= 1 steps, got {}", style_, every_);
  if (iarg + 3 >= narg || strcmp(arg[iarg + 3], "from") != 0) return 3;
  if (iarg + 4 >= narg)
    error->all(FLERR,
               "{}: 'extrapolation every N from FILE' lacks its file, which 'lamplighter compile "
               "MODEL --training TRAIN.xyz -o FILE.training' makes",
               style_);
  training_set_ = lamplighter::file_named_by(arg[iarg + 4]);
  return 5;
}

void Extrapolation::forget()
{
  found_ = {(double) every_, 0.0, -1.0};
  numbers_.assign(wanted() ? NGLOBAL + atom->ntypes : 0, 0.0);
}

void Extrapolation::carry_values()
{
  if (!wanted() || carry_) return;
  carry_id_ = fmt::format("LAMPLIGHTER_EXTRAPOLATION_{}", (void *) this);
  carry_ = dynamic_cast<FixLamplighterCarry *>(
      modify->add_fix(carry_id_ + " all lamplighter/carry"));
}

/* Also at the start of each run, so that what is reported belongs to it. */

bool Extrapolation::is_due() const
{
  return wanted() && (update->ntimestep % every_ == 0 || update->setupflag || found_.step < 0.0);
}

double *Extrapolation::room(size_t width)
{
  const size_t size = width * std::max(atom->nlocal, 1);
  if (room_.size() < size) room_.resize(size);
  return room_.data();
}

void Extrapolation::find(lamplighter::OwnUncertainty *uncertainty, int nlist, const int *list)
{
  const int ntypes = atom->ntypes;
  double *values = carry_->values;
  std::fill(values, values + atom->nlocal, 0.0);
  if (uncertainty)
    uncertainty->evaluate(nlist, list, atom->type, room_.data(), values);
  else
    for (int k = 0; k < nlist; k++) values[list[k]] = room_[list[k]];

  // the largest of all and of each type
  std::vector<double> largest(ntypes + 1, 0.0), all_largest(ntypes + 1, 0.0);
  double sums[2] = {0.0, (double) nlist}, totals[2];
  for (int k = 0; k < nlist; k++) {
    const double value = values[list[k]];
    double &of_type = largest[atom->type[list[k]]];
    of_type = std::max(of_type, value);
    largest[0] = std::max(largest[0], value);
    sums[0] += value;
  }
  MPI_Allreduce(largest.data(), all_largest.data(), ntypes + 1, MPI_DOUBLE, MPI_MAX, world);
  MPI_Allreduce(sums, totals, 2, MPI_DOUBLE, MPI_SUM, world);
  found_.largest = all_largest[0];
  found_.step = (double) update->ntimestep;
  // compute pair adds up what ranks have
  if (comm->me != 0) return;
  numbers_[0] = found_.largest;
  numbers_[1] = totals[0] / std::max(totals[1], 1.0);
  numbers_[2] = found_.step;
  std::copy(all_largest.begin() + 1, all_largest.end(), numbers_.begin() + NGLOBAL);
}

/* Numbers that other styles ask for: fix guard, and any that know their names. */

void *Extrapolation::extract(const char *name)
{
  if (!wanted()) return nullptr;
  if (strcmp(name, "extrapolation") == 0) return &found_.every;
  if (strcmp(name, "extrapolation_max") == 0) return &found_.largest;
  if (strcmp(name, "extrapolation_step") == 0) return &found_.step;
  return nullptr;
}

double *Extrapolation::of_atoms()
{
  return carry_ ? carry_->values : nullptr;
}
