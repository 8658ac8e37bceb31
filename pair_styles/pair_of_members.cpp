// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_of_members.h"

#include "fix_lamplighter_carry.h"
#include "fix_lamplighter_trial.h"

#include "atom.h"
#include "comm.h"
#include "force.h"
#include "memory.h"
#include "modify.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

static constexpr double IMPOSSIBLE = 1.0e100;    // energy

PairOfMembers::PairOfMembers(LAMMPS *lmp) :
    Pair(lmp), present_(lmp), exchange_(lmp, this), carry_(nullptr), trial_(nullptr)
{
  single_enable = 0;
  restartinfo = 0;
  // members have virials of their own, which are not those of a sum over rows of forces
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
  comm_forward = FeatureExchange::MAX_DOUBLES_PER_MESSAGE;
  comm_reverse = FeatureExchange::MAX_DOUBLES_PER_MESSAGE;
}

PairOfMembers::~PairOfMembers()
{
  if (carry_ && modify && modify->get_fix_by_id(carry_id_)) modify->delete_fix(carry_id_);
  if (trial_ && modify && modify->get_fix_by_id(trial_id_)) modify->delete_fix(trial_id_);
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairOfMembers::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 1; i < n; i++)
    for (int j = 1; j < n; j++) setflag[i][j] = 0;
}

void PairOfMembers::set_up_committee(int nmembers, const std::string &first_member)
{
  committee_->set_up(nmembers, first_member);
  pvector = committee_->numbers();
  nextra = pvector ? committee_->nnumbers() : 0;
}

void PairOfMembers::prepare_fixes()
{
  carry_variances();
  watch_for_trials();
  let_guards_hear(lmp);
}

void PairOfMembers::carry_variances()
{
  if (!committee_->in_use() || carry_) return;
  carry_id_ = fmt::format("LAMPLIGHTER_VARIANCE_{}", (void *) this);
  carry_ = dynamic_cast<FixLamplighterCarry *>(
      modify->add_fix(carry_id_ + " all lamplighter/carry"));
}

void PairOfMembers::watch_for_trials()
{
  if (trial_ || !FixLamplighterTrial::is_wanted(lmp)) return;
  trial_id_ = fmt::format("LAMPLIGHTER_TRIAL_{}", (void *) this);
  trial_ = dynamic_cast<FixLamplighterTrial *>(
      modify->add_fix(trial_id_ + " all lamplighter/trial"));
}

bool PairOfMembers::is_trial() const
{
  return trial_ && trial_->is_trial();
}

bool PairOfMembers::all_are_due() const
{
  return committee_->is_due() && !(committee_->has_one_driver() && is_trial());
}

bool PairOfMembers::may_be_added(std::vector<Answer> answers,
                                 const std::function<std::string(int)> &name_of,
                                 const std::string &problem)
{
  const bool trial = is_trial();
  // to a member, which may be a pair style of this kind, it was impossible
  for (Answer &answer : answers)
    if (trial && answer.energy >= IMPOSSIBLE) answer.energy = NAN;
  const BrokenModel broken = find_broken_model(lmp, answers, problem);
  if (broken.model < 0) return true;
  if (trial)
    make_impossible();
  else
    see_to_broken_model(lmp, name_of(broken.model), broken.what);
  return !trial;
}

void PairOfMembers::make_impossible()
{
  if (comm->me == 0) eng_vdwl += IMPOSSIBLE;
}

void PairOfMembers::add_excess(double excess)
{
  if (eflag_global && comm->me == 0) eng_vdwl += excess;
  if (eflag_atom)
    for (int i = 0; i < atom->nlocal; i++)
      if (present_.has(i)) eatom[i] += excess / (double) present_.count();
}

void PairOfMembers::find_spread(const std::vector<const double *> &forces)
{
  const size_t nall = (size_t) atom->nlocal + atom->nghost;
  const size_t width = 3 * forces.size();
  rows_.resize(std::max<size_t>(nall, 1) * width);
  for (size_t k = 0; k < forces.size(); k++)
    for (size_t i = 0; i < nall; i++)
      for (size_t d = 0; d < 3; d++) rows_[i * width + 3 * k + d] = forces[k][3 * i + d];
  if (force->newton_pair)
    exchange_.reverse(rows_.data(), rows_.data(), (int) width, sizeof(double));
  committee_->find_spread(rows_.data(), present_, carry_->values);
}

void *PairOfMembers::extract(const char *name, int &dim)
{
  dim = 0;
  return committee_ ? committee_->extract(name) : nullptr;
}

void *PairOfMembers::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  return carry_ && strcmp(name, "variance") == 0 ? carry_->values : nullptr;
}

double PairOfMembers::memory_usage()
{
  return Pair::memory_usage() + (double) rows_.capacity() * sizeof(double);
}

int PairOfMembers::pack_forward_comm(int n, int *sendlist, double *buf, int /*pbc_flag*/,
                                     int * /*pbc*/)
{
  return exchange_.pack_forward(n, sendlist, buf);
}

void PairOfMembers::unpack_forward_comm(int n, int first, double *buf)
{
  exchange_.unpack_forward(n, first, buf);
}

int PairOfMembers::pack_reverse_comm(int n, int first, double *buf)
{
  return exchange_.pack_reverse(n, first, buf);
}

void PairOfMembers::unpack_reverse_comm(int n, int *sendlist, double *buf)
{
  exchange_.unpack_reverse(n, sendlist, buf);
}
