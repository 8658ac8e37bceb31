// SPDX-License-Identifier: GPL-2.0-or-later

#include "species.h"

#include "../elements.h"

#include <algorithm>
#include <stdexcept>

using namespace lamplighter;

std::vector<int> lamplighter::choose_species(const std::string &path,
                                             const std::vector<int> &numbers,
                                             const std::vector<std::string> &elements,
                                             std::vector<int> &species_of_type)
{
  std::vector<int> wanted;
  species_of_type.push_back(-1);
  for (const std::string &symbol : elements) {
    const int z = atomic_number(symbol);
    const auto found = std::find(numbers.begin(), numbers.end(), z);
    if (z == 0 || found == numbers.end()) {
      std::string known;
      for (const int number : numbers) known += std::string(" ") + element_symbol(number);
      throw std::runtime_error("Model file " + path + " does not know the element '" + symbol +
                               "': it was made for" + known);
    }
    const int s = (int) (found - numbers.begin());
    auto mine = std::find(wanted.begin(), wanted.end(), s);
    if (mine == wanted.end()) {
      wanted.push_back(s);
      mine = wanted.end() - 1;
    }
    species_of_type.push_back((int) (mine - wanted.begin()));
  }
  return wanted;
}
