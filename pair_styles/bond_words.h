// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BOND_WORDS_H
#define LAMPLIGHTER_BOND_WORDS_H

#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace lamplighter {

/* What a user says of bonds: elements (Li), pairs of elements (Zn-O), pairs of atoms by ID (12-57).
 */
struct BondWords {
  std::set<int> elements;                                      // atomic numbers
  std::set<std::pair<int, int>> of_elements;                   // the lower first
  std::set<std::pair<std::int64_t, std::int64_t>> of_atoms;    // the lower first

  /* Reads words between spaces or commas; returns the one that is nothing of these, or nothing. */
  std::string read(const std::string &words);

  /* Whether the bond of two elements is named, by one of them or both. */
  bool name_elements(int one, int other) const;
  bool name_atoms(std::int64_t one, std::int64_t other) const;
};

}    // namespace lamplighter

#endif
