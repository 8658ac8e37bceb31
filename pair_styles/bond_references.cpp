// SPDX-License-Identifier: GPL-2.0-or-later

#include "bond_references.h"

#include "bonds_of_atoms.h"
#include "command_words.h"
#include "elements.h"
#include "gather_all.h"
#include "stop_all.h"

#include "atom.h"
#include "error.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

using namespace LAMMPS_NS;

BondReferences::BondReferences(LAMMPS *lmp, const std::vector<int> &numbers, BondsOfAtoms &bonds) :
    Pointers(lmp), numbers_(numbers), bonds_(bonds), reference_(Reference::MEAN)
{
}

bool BondReferences::take_keyword(const std::string &key, CommandWords &words)
{
  if (key != "reference") return false;
  const std::string kind = words.value_of(key);
  reference_ = kind == "mean" ? Reference::MEAN
      : kind == "initial"     ? Reference::INITIAL
                              : Reference::FROM_FILE;
  if (reference_ == Reference::FROM_FILE) file_ = kind;
  return true;
}

void BondReferences::set()
{
  if (reference_ == Reference::MEAN)
    set_means();
  else if (reference_ == Reference::FROM_FILE)
    set_from_file();
}

/* Bonds between the same elements with the same numbers of bonds get the mean of their lengths. */

void BondReferences::set_means()
{
  std::vector<double> counts(atom->nmax, 0.0);
  // a bond counts for both of its atoms, wherever they are
  const int nlocal = atom->nlocal;
  std::vector<tagint> others;
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < bonds_.count(i); k++) {
      counts[i] += 1.0;
      const int j = atom->map(bonds_.partner(i, k));
      if (j >= 0 && j < nlocal)
        counts[j] += 1.0;
      else
        others.push_back(bonds_.partner(i, k));
    }
  for_each_rank(others, MPI_LMP_TAGINT, world, [&](const std::vector<tagint> &theirs) {
    for (const tagint tag : theirs) {
      const int j = atom->map(tag);
      if (j >= 0 && j < nlocal) counts[j] += 1.0;
    }
  });
  bonds_.forward(counts);

  const auto class_of = [&](int i, int k) {
    const int j = atom->map(bonds_.partner(i, k));
    int a = 1000 * numbers_[atom->type[i]] + (int) counts[i];
    int b = j < 0 ? 0 : 1000 * numbers_[atom->type[j]] + (int) counts[j];
    // without elements, types serve
    if (!numbers_[atom->type[i]]) a += 1000 * (200 + atom->type[i]);
    if (j >= 0 && !numbers_[atom->type[j]]) b += 1000 * (200 + atom->type[j]);
    return std::make_pair(std::min(a, b), std::max(a, b));
  };
  std::map<std::pair<int, int>, std::pair<double, double>> sums;    // sum, count
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < bonds_.count(i); k++) {
      auto &sum = sums[class_of(i, k)];
      sum.first += bonds_.reference(i, k);
      sum.second += 1.0;
    }
  std::vector<double> flat;
  for (const auto &[key, sum] : sums) {
    flat.push_back(key.first);
    flat.push_back(key.second);
    flat.push_back(sum.first);
    flat.push_back(sum.second);
  }
  const std::vector<double> all = gather_all(flat, MPI_DOUBLE, world);
  sums.clear();
  for (size_t k = 0; k + 3 < all.size(); k += 4) {
    auto &sum = sums[{(int) all[k], (int) all[k + 1]}];
    sum.first += all[k + 2];
    sum.second += all[k + 3];
  }
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < bonds_.count(i); k++) {
      const auto &sum = sums[class_of(i, k)];
      bonds_.reference(i, k) = sum.first / sum.second;
    }
}

/* Lines "ELEMENT1 ELEMENT2 length". */

void BondReferences::set_from_file()
{
  std::ifstream file(file_);
  if (!file)
    error->all(
        FLERR,
        "fix guard: reference must be mean, initial or a file of bond lengths, and {} cannot "
        "be read",
        file_);
  std::map<std::pair<int, int>, double> lengths;
  std::string line;
  for (int number = 1; std::getline(file, line); number++) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string a, b;
    double r = 0.0;
    if (!(words >> a)) continue;
    words >> b >> r;
    const int za = lamplighter::atomic_number(a), zb = lamplighter::atomic_number(b);
    if (!za || !zb || !(r > 0.0))
      error->all(FLERR, "fix guard: line {} of {} is not 'ELEMENT1 ELEMENT2 length'", number,
                 file_);
    lengths[{std::min(za, zb), std::max(za, zb)}] = r;
  }
  std::string lacking;
  for (int i = 0; i < atom->nlocal; i++)
    for (int k = 0; k < bonds_.count(i); k++) {
      const int j = atom->map(bonds_.partner(i, k));
      const int za = numbers_[atom->type[i]], zb = j < 0 ? 0 : numbers_[atom->type[j]];
      const auto known = lengths.find({std::min(za, zb), std::max(za, zb)});
      if (known != lengths.end())
        bonds_.reference(i, k) = known->second;
      else if (lacking.empty())
        lacking = std::string(lamplighter::element_symbol(za)) + "-" +
            lamplighter::element_symbol(zb);
    }
  const std::string kind = first_of_ranks(lmp, lacking);
  if (!kind.empty()) error->all(FLERR, "fix guard: {} has no length for {} bonds", file_, kind);
}
