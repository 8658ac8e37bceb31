// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_trial.h"

#include "modify.h"
#include "neighbor.h"
#include "utils.h"

using namespace LAMMPS_NS;

FixTrial::FixTrial(LAMMPS *lmp, int narg, char **arg) : Fix(lmp, narg, arg), lists_of_step(-1) {}

int FixTrial::setmask()
{
  return FixConst::POST_NEIGHBOR | FixConst::MIN_POST_NEIGHBOR;
}

void FixTrial::post_neighbor()
{
  lists_of_step = neighbor->ncalls;
}

/* The setup of a run counts anew after it has told its fixes. */

bool FixTrial::is_trial() const
{
  return neighbor->ago == 0 && neighbor->ncalls != 0 && neighbor->ncalls != lists_of_step;
}

bool FixTrial::is_wanted(LAMMPS *lmp)
{
  for (const Fix *fix : lmp->modify->get_fix_list())
    if (utils::strmatch(fix->style, "^gcmc") || utils::strmatch(fix->style, "^widom") ||
        utils::strmatch(fix->style, "^charge/regulation"))
      return true;
  return false;
}
