// SPDX-License-Identifier: GPL-2.0-or-later

#include "c_interface.h"

#include "open_model.h"
#include "radial_table.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <numeric>
#include <stdexcept>

using namespace lamplighter;

namespace {

class NoExchange : public Exchange {
 public:
  void forward(void *, int, int) override {}
  void reverse(void *, int, int) override {}
};

template <class Action> int guarded(char *message, int32_t size, Action action)
{
  try {
    action();
    return 0;
  } catch (const std::exception &problem) {
    if (size > 0) snprintf(message, (size_t) size, "%s", problem.what());
    return 1;
  }
}

/* Of this thread, s: other programs that run beside it do not count. */
double processor_time()
{
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

/* The first `n` of `rows` atoms; the others are images of these, `owner` says of which. */
double evaluate(NativeEvaluator &evaluator, int first, int nmembers, int n, int rows,
                const double *x, const int32_t *type, const int32_t *owner, Results *results)
{
  const double cutsq = evaluator.cutoff() * evaluator.cutoff();
  std::vector<std::vector<int>> near(n);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < rows; j++) {
      if (i == j) continue;
      double rsq = 0.0;
      for (int k = 0; k < 3; k++)
        rsq += (x[3 * j + k] - x[3 * i + k]) * (x[3 * j + k] - x[3 * i + k]);
      if (!std::isfinite(rsq) || rsq < SHORTEST_DISTANCE * SHORTEST_DISTANCE)
        throw std::runtime_error("Atoms " + std::to_string(i) + " and " + std::to_string(j) +
                                 " overlap or have no finite position");
      if (rsq < cutsq) near[i].push_back(j);
    }
  std::vector<int> list(n), counts(n), types(type, type + rows), owners(owner, owner + rows);
  std::vector<const int *> neighbours(n);
  for (int i = 0; i < n; i++) {
    list[i] = i;
    counts[i] = (int) near[i].size();
    neighbours[i] = near[i].data();
  }
  Atoms atoms;
  atoms.nlocal = atoms.nfeatures = atoms.nlist = n;
  atoms.x = x;
  atoms.type = types.data();
  atoms.feature_row = owners.data();
  atoms.list = list.data();
  atoms.nneighbours = counts.data();
  atoms.neighbours = neighbours.data();
  atoms.neighbour_mask = ~0;
  NoExchange exchange;
  const double began = processor_time();
  evaluator.compute(atoms, exchange, results, nmembers, first);
  return processor_time() - began;
}

}    // namespace

int lamplighter_mace_open(const char *path, int32_t nelements, const char *const *elements,
                          const char *dtype, int32_t intervals, void **evaluator, double *cutoff,
                          char *message, int32_t size)
{
  return guarded(message, size, [&] {
    std::vector<std::string> symbols(elements, elements + nelements);
    auto opened = open_model(path, symbols, dtype, "", intervals);
    *cutoff = opened->cutoff();
    *evaluator = opened.release();
  });
}

void lamplighter_mace_summary(void *evaluator, char *text, int32_t size)
{
  if (size > 0)
    snprintf(text, (size_t) size, "%s", ((NativeEvaluator *) evaluator)->summary().c_str());
}

int lamplighter_mace_evaluate(void *evaluator, int32_t nmembers, int32_t n, const double *x,
                              const int32_t *type, double *energy, double *f, double *eatoms,
                              double *virial, double *seconds, char *message, int32_t size)
{
  return guarded(message, size, [&] {
    NativeEvaluator &model = *(NativeEvaluator *) evaluator;
    if (nmembers < 1 || nmembers > model.members() || n < 0)
      throw std::runtime_error("There are " + std::to_string(model.members()) + " models, not " +
                               std::to_string(nmembers));
    memset(f, 0, 3 * sizeof(double) * n * nmembers);
    memset(eatoms, 0, sizeof(double) * n * nmembers);
    memset(virial, 0, 6 * sizeof(double) * nmembers);
    std::vector<Results> results;
    for (int k = 0; k < nmembers; k++)
      results.push_back(
          {0.0, f + 3 * (size_t) k * n, eatoms + (size_t) k * n, virial + 6 * k, nullptr});
    std::vector<int32_t> owner(n);
    std::iota(owner.begin(), owner.end(), 0);
    *seconds = evaluate(model, 0, nmembers, n, n, x, type, owner.data(), results.data());
    for (int k = 0; k < nmembers; k++) energy[k] = results[k].energy;
  });
}

int lamplighter_mace_describe(void *evaluator, int32_t member, int32_t n, int32_t rows,
                              const double *x, const int32_t *type, const int32_t *owner,
                              double *features, char *message, int32_t size)
{
  return guarded(message, size, [&] {
    NativeEvaluator &model = *(NativeEvaluator *) evaluator;
    if (member < 0 || member >= model.members())
      throw std::runtime_error("There are " + std::to_string(model.members()) +
                               " models, and the one asked for is number " +
                               std::to_string(member + 1));
    if (n < 0 || rows < n) throw std::runtime_error("There are fewer rows than atoms");
    for (int j = 0; j < rows; j++)
      if (owner[j] < 0 || owner[j] >= n)
        throw std::runtime_error("Row " + std::to_string(j) + " is an image of no atom");
    std::vector<double> forces(3 * (size_t) rows);
    Results results{0.0, forces.data(), nullptr, nullptr, nullptr, features};
    evaluate(model, member, 1, n, rows, x, type, owner, &results);
  });
}

int32_t lamplighter_mace_features(void *evaluator)
{
  return ((NativeEvaluator *) evaluator)->features();
}

int32_t lamplighter_mace_members(void *evaluator)
{
  return ((NativeEvaluator *) evaluator)->members();
}

void lamplighter_mace_close(void *evaluator)
{
  delete (NativeEvaluator *) evaluator;
}
