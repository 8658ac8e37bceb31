// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_ELEMENTS_H
#define LAMPLIGHTER_ELEMENTS_H

#include <string>

namespace lamplighter {

/* 1 for "H" to 118 for "Og"; 0 if there is no such element. */
int atomic_number(const std::string &symbol);

/* The reverse; "?" outside of 1 to 118. */
const char *element_symbol(int number);

/* Standard atomic weight, g/mol; 0 outside of 1 to 118. */
double atomic_weight(int number);

/* Single-bond covalent radius, Angstrom. */
double covalent_radius(int number);

/* The element whose atomic weight is nearest, within 0.3 g/mol; 0 if there is none. */
int element_of_mass(double mass);

}    // namespace lamplighter

#endif
