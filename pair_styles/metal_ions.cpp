// SPDX-License-Identifier: GPL-2.0-or-later

#include "metal_ions.h"

#include <algorithm>
#include <iterator>

namespace {
// atomic numbers; metalloids are among the nonmetals
const int NONMETALS[] = {1,  2,  5,  6,  7,  8,  9,  10, 14, 15, 16, 17,  18,
                         32, 33, 34, 35, 36, 51, 52, 53, 54, 85, 86, 117, 118};
const int NETWORK_FORMERS[] = {14, 32, 33, 51, 52};
const int SALT_FORMERS[] = {3, 11, 19, 37, 55, 87, 12, 20, 38, 56, 88};
const int PLATINUM_METALS[] = {44, 45, 46, 76, 77, 78, 79};

template <class T> bool among(const T &list, int number)
{
  return std::find(std::begin(list), std::end(list), number) != std::end(list);
}
}    // namespace

bool lamplighter::is_metal(int number)
{
  return number > 0 && !among(NONMETALS, number);
}

void lamplighter::count_contact(Contacts &contacts, int other_number)
{
  if (is_metal(other_number))
    contacts.metals++;
  else
    contacts.nonmetals++;
  if (other_number == 1) contacts.hydrogens++;
  if (among(NETWORK_FORMERS, other_number)) contacts.network_formers++;
}

int lamplighter::surroundings(int number, const Contacts &contacts, bool molecules_are_there)
{
  if (is_metal(number)) {
    int flags = METAL;
    if (contacts.metals > contacts.nonmetals) flags |= IN_METAL;
    if (molecules_are_there && among(SALT_FORMERS, number)) flags |= SALT;
    if (among(PLATINUM_METALS, number) && !(flags & IN_METAL)) flags |= HOLDS;
    return flags;
  }
  if (contacts.nonmetals == 0) return 0;
  if (number == 1 || number == 6) return MOLECULAR | HYDROCARBON;
  const bool hydroxide = number == 8 && contacts.nonmetals == 1 && contacts.hydrogens == 1;
  return hydroxide || contacts.network_formers ? MOLECULAR : MOLECULAR | DONOR;
}

bool lamplighter::holds_ligand(int metal, int ligand, bool through_donor)
{
  if (metal & SALT) return (metal & IN_METAL) && !(ligand & MOLECULAR);
  if (metal & HOLDS) return true;
  return !(ligand & DONOR) && !((ligand & HYDROCARBON) && through_donor);
}

bool lamplighter::is_ion(int metal, int nonmetals, int held)
{
  if (!(metal & METAL) || (metal & IN_METAL)) return false;
  return (metal & SALT) || (nonmetals > 0 && held == 0);
}
