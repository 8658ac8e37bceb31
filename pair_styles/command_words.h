// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_COMMAND_WORDS_H
#define LAMPLIGHTER_COMMAND_WORDS_H

#include "pointers.h"

#include <string>

namespace LAMMPS_NS {

/* The words of a command, taken one after the other. */
class CommandWords : protected Pointers {
 public:
  /* `command`: how messages name it; `first`: the first word to take. */
  CommandWords(class LAMMPS *, const std::string &command, int narg, char **arg, int first);

  bool at_end() const { return next_ >= narg_; }
  /* A keyword. */
  std::string take() { return arg_[next_++]; }
  /* A value of the keyword that messages call `key`; ends the run where there is none. */
  std::string value_of(const std::string &key);
  double number_of(const std::string &key);
  /* Takes the next word if it is this one. */
  bool take_if(const std::string &word);

 private:
  std::string command_;
  int narg_, next_;
  char **arg_;
};

}    // namespace LAMMPS_NS

#endif
