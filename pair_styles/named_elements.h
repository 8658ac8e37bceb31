// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_NAMED_ELEMENTS_H
#define LAMPLIGHTER_NAMED_ELEMENTS_H

#include "pointers.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

/* The elements that pair_coeff names for the atom types, held against the masses of the types. A
   model knows elements and no masses, so that names in another order than the types give another
   system without a word. */
class NamedElements : protected Pointers {
 public:
  NamedElements(class LAMMPS *,
                const std::string &style);    // name of the pair style, for messages

  /* Of type 1 first; a word that is no element names none. Forgets what was warned of. */
  void set(const std::vector<std::string> &of_types);

  /* Warns, once, of types whose mass is that of another element than their name. Isotopes, united
     and repartitioned masses that are not another element's pass. Collective; for init_style, when
     masses are set. */
  void hold_against_masses();

 private:
  std::string command_, warned_of_;
  std::vector<std::string> names_;

  std::vector<double> masses_of_types() const;
  std::string contradictions() const;
};

}    // namespace LAMMPS_NS

#endif
