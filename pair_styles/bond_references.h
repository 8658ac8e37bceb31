// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BOND_REFERENCES_H
#define LAMPLIGHTER_BOND_REFERENCES_H

#include "pointers.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class BondsOfAtoms;
class CommandWords;

/* The lengths that bonds are compared with: their own in the first frame, the mean of all bonds of
   one kind, or those of a file. */
class BondReferences : protected Pointers {
 public:
  /* `numbers`: as of GuardBonds; `bonds`: whose lengths they are. */
  BondReferences(class LAMMPS *, const std::vector<int> &numbers, BondsOfAtoms &bonds);

  /* Takes the value of `reference`; false: the keyword is another. */
  bool take_keyword(const std::string &key, CommandWords &);
  /* Of bonds that have their present lengths. Collective. */
  void set();

 private:
  enum class Reference { MEAN, INITIAL, FROM_FILE };

  const std::vector<int> &numbers_;
  BondsOfAtoms &bonds_;
  Reference reference_;
  std::string file_;

  void set_means();
  void set_from_file();
};

}    // namespace LAMMPS_NS

#endif
