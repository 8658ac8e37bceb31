// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_lamplighter_trial.h"

#include "modify.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

namespace {

bool makes_trials(const Fix *fix)
{
  return utils::strmatch(fix->style, "^gcmc") || utils::strmatch(fix->style, "^widom") ||
      utils::strmatch(fix->style, "^charge/regulation");
}

/* Fixes have their turns one after the other, and say at the end of theirs when the next one is. */
const Fix *whose_turn(LAMMPS *lmp)
{
  for (const Fix *fix : lmp->modify->get_fix_list())
    if (makes_trials(fix) && fix->next_reneighbor == lmp->update->ntimestep) return fix;
  return nullptr;
}

}    // namespace

FixLamplighterTrial::FixLamplighterTrial(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), lists_before_(0), turn_(nullptr)
{
}

int FixLamplighterTrial::setmask()
{
  return FixConst::POST_NEIGHBOR | FixConst::MIN_POST_NEIGHBOR;
}

void FixLamplighterTrial::post_neighbor()
{
  lists_before_ = neighbor->ncalls;
  turn_ = nullptr;
}

/* The setup of a run counts anew after it has told its fixes. */

void FixLamplighterTrial::setup_post_neighbor()
{
  lists_before_ = 0;
  turn_ = nullptr;
}

/* Several fixes may be due in one step, and each begins with an energy of the atoms as they are. */

bool FixLamplighterTrial::is_trial()
{
  if (neighbor->ago) return false;
  const Fix *turn = whose_turn(lmp);
  if (turn_ && turn != turn_) lists_before_ = neighbor->ncalls - 1;
  turn_ = turn;
  return neighbor->ncalls > lists_before_ + 1;
}

bool FixLamplighterTrial::is_wanted(LAMMPS *lmp)
{
  for (const Fix *fix : lmp->modify->get_fix_list())
    if (makes_trials(fix)) return true;
  return false;
}
