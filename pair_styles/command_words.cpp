// SPDX-License-Identifier: GPL-2.0-or-later

#include "command_words.h"

#include "error.h"
#include "utils.h"

using namespace LAMMPS_NS;

CommandWords::CommandWords(LAMMPS *lmp, const std::string &command, int narg, char **arg,
                           int first) :
    Pointers(lmp), command_(command), narg_(narg), next_(first), arg_(arg)
{
}

std::string CommandWords::value_of(const std::string &key)
{
  if (at_end()) error->all(FLERR, "{}: keyword '{}' lacks its value", command_, key);
  return take();
}

double CommandWords::number_of(const std::string &key)
{
  return utils::numeric(FLERR, value_of(key), false, lmp);
}

bool CommandWords::take_if(const std::string &word)
{
  if (at_end() || word != arg_[next_]) return false;
  next_++;
  return true;
}
