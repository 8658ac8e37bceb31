// SPDX-License-Identifier: GPL-2.0-or-later

#include "named_elements.h"

#include "elements.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "update.h"

#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

// g/mol; masses are often written as 16 or 12.01, and those of Ar and Ca differ by 0.13
static constexpr double SAME_MASS = 0.1;

NamedElements::NamedElements(LAMMPS *lmp, const std::string &command) :
    Pointers(lmp), command_(command)
{
}

void NamedElements::set(const std::vector<std::string> &of_types)
{
  names_ = of_types;
  warned_of_.clear();
}

void NamedElements::hold_against_masses()
{
  const std::string found = contradictions();
  if (found.empty() || found == warned_of_) return;
  warned_of_ = found;
  if (comm->me == 0)
    error->warning(FLERR,
                   "{} names elements that masses contradict: {}. A model knows elements, not "
                   "masses: unless the masses were changed on purpose, this is another system. The "
                   "element of type 1 comes first, then that of type 2, and so on",
                   command_, found);
}

std::string NamedElements::contradictions() const
{
  std::string text;
  const std::vector<double> masses = masses_of_types();
  for (size_t itype = 1; itype < masses.size() && itype <= names_.size(); itype++) {
    const int named = lamplighter::atomic_number(names_[itype - 1]);
    const int weighed = lamplighter::element_of_mass(masses[itype]);
    if (!named || !weighed || named == weighed ||
        std::fabs(masses[itype] - lamplighter::atomic_weight(named)) < SAME_MASS)
      continue;
    text += fmt::format("{}type {} is named {}, and its mass {:g} is that of {}",
                        text.empty() ? "" : "; ", itype, names_[itype - 1], masses[itype],
                        lamplighter::element_symbol(weighed));
  }
  return text;
}

/* g/mol, from 1 on; 0 where a mass is not known. Where every atom has a mass of its own, the mean
   of a type's. */

std::vector<double> NamedElements::masses_of_types() const
{
  const int ntypes = atom->ntypes;
  std::vector<double> masses(ntypes + 1, 0.0);
  bool gram_per_mol = false;
  for (const char *units : {"metal", "real", "electron"})
    gram_per_mol = gram_per_mol || strcmp(update->unit_style, units) == 0;
  if (!gram_per_mol) return masses;
  if (!atom->rmass_flag) {
    for (int itype = 1; itype <= ntypes; itype++)
      if (atom->mass && atom->mass_setflag[itype]) masses[itype] = atom->mass[itype];
    return masses;
  }
  std::vector<double> sums(2 * (ntypes + 1), 0.0), all(2 * (ntypes + 1), 0.0);
  for (int i = 0; i < atom->nlocal; i++) {
    sums[atom->type[i]] += atom->rmass[i];
    sums[ntypes + 1 + atom->type[i]] += 1.0;
  }
  MPI_Allreduce(sums.data(), all.data(), (int) sums.size(), MPI_DOUBLE, MPI_SUM, world);
  for (int itype = 1; itype <= ntypes; itype++)
    if (all[ntypes + 1 + itype] > 0.0) masses[itype] = all[itype] / all[ntypes + 1 + itype];
  return masses;
}
