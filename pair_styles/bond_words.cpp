// SPDX-License-Identifier: GPL-2.0-or-later

#include "bond_words.h"

#include "elements.h"

#include <algorithm>
#include <sstream>

using namespace lamplighter;

namespace {
/* A positive whole number; 0 if it is none. */
std::int64_t id_of(const std::string &word)
{
  if (word.empty() || word.size() > 18) return 0;
  const bool digits = std::all_of(word.begin(), word.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::stoll(word) : 0;
}
}    // namespace

std::string BondWords::read(const std::string &words)
{
  std::string spaced = words;
  std::replace(spaced.begin(), spaced.end(), ',', ' ');
  std::istringstream rest(spaced);
  std::string word;
  while (rest >> word) {
    const size_t sign = word.find('-');
    if (sign == std::string::npos) {
      const int number = atomic_number(word);
      if (!number) return word;
      elements.insert(number);
      continue;
    }
    const std::string one = word.substr(0, sign), other = word.substr(sign + 1);
    const int za = atomic_number(one), zb = atomic_number(other);
    const std::int64_t a = id_of(one), b = id_of(other);
    if (za && zb)
      of_elements.insert(std::minmax(za, zb));
    else if (a && b && a != b)
      of_atoms.insert(std::minmax(a, b));
    else
      return word;
  }
  return "";
}

bool BondWords::name_elements(int one, int other) const
{
  return elements.count(one) || elements.count(other) || of_elements.count(std::minmax(one, other));
}

bool BondWords::name_atoms(std::int64_t one, std::int64_t other) const
{
  return of_atoms.count(std::minmax(one, other));
}
