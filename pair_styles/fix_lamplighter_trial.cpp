// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_lamplighter_trial.h"

#include "modify.h"
#include "neighbor.h"
#include "utils.h"

using namespace LAMMPS_NS;

FixLamplighterTrial::FixLamplighterTrial(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), lists_of_step_(0)
{
}

int FixLamplighterTrial::setmask()
{
  return FixConst::POST_NEIGHBOR | FixConst::MIN_POST_NEIGHBOR;
}

void FixLamplighterTrial::post_neighbor()
{
  lists_of_step_ = neighbor->ncalls;
}

/* The setup of a run counts anew after it has told its fixes. */

void FixLamplighterTrial::setup_post_neighbor()
{
  lists_of_step_ = 0;
}

bool FixLamplighterTrial::is_trial() const
{
  return neighbor->ago == 0 && neighbor->ncalls > lists_of_step_ + 1;
}

bool FixLamplighterTrial::is_wanted(LAMMPS *lmp)
{
  for (const Fix *fix : lmp->modify->get_fix_list())
    if (utils::strmatch(fix->style, "^gcmc") || utils::strmatch(fix->style, "^widom") ||
        utils::strmatch(fix->style, "^charge/regulation"))
      return true;
  return false;
}
