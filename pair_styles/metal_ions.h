// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_METAL_IONS_H
#define LAMPLIGHTER_METAL_IONS_H

namespace lamplighter {

/* Which contacts of a metal are bonds and which are those of an ion with what surrounds it: the
   rule of docs/theory/bonds.md, as python/lamplighter/analysis/bonding.py states it, too. */

/* Contacts of one atom, counted by what is at their other ends. */
struct Contacts {
  int metals = 0, nonmetals = 0, hydrogens = 0, network_formers = 0;
};

/* What an atom is by its element and its contacts; bits of a whole number. */
enum Surroundings {
  METAL = 1,
  IN_METAL = 2,        // more metals than nonmetals around it
  SALT = 4,            // of groups 1 and 2, beside molecules
  HOLDS = 8,           // a platinum metal that is not in a metal
  MOLECULAR = 16,      // a nonmetal with another nonmetal
  DONOR = 32,          // whose contacts with metals are none of its bonds
  HYDROCARBON = 64,    // hydrogen or carbon of a molecule
  ION = 128            // a metal without bonds; known once all of its contacts are
};

bool is_metal(int number);

/* Adds what is at the other end of a contact. */
void count_contact(Contacts &contacts, int other_number);

/* Without ION. */
int surroundings(int number, const Contacts &contacts, bool molecules_are_there);

/* Whether the contact of a metal with a nonmetal is a bond; `through_donor`: both touch one donor.
 */
bool holds_ligand(int metal, int ligand, bool through_donor);

/* With how many nonmetals a metal has contacts, and with how many of them bonds: whether it is an
 * ion. */
bool is_ion(int metal, int nonmetals, int held);

}    // namespace lamplighter

#endif
