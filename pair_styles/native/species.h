// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_SPECIES_H
#define LAMPLIGHTER_SPECIES_H

#include <string>
#include <vector>

namespace lamplighter {

/* Which species of a model, whose atomic numbers are `numbers`, are used, in the order of the first
   type that is of them, and the species of each type, from 1. `elements[k]` is the symbol of type
   k + 1. Throws std::runtime_error where the model does not know an element; `path` is for its
   message. */
std::vector<int> choose_species(const std::string &path, const std::vector<int> &numbers,
                                const std::vector<std::string> &elements,
                                std::vector<int> &species_of_type);

}    // namespace lamplighter

#endif
