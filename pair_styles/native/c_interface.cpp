// SPDX-License-Identifier: GPL-2.0-or-later

#include "c_interface.h"

#include "mace_evaluator.h"
#include "radial_table.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
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

double evaluate(MaceEvaluator &evaluator, int nmembers, int n, const double *x, const int32_t *type,
                Results *results)
{
  const double cutsq = evaluator.cutoff() * evaluator.cutoff();
  std::vector<std::vector<int>> near(n);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      if (i == j) continue;
      double rsq = 0.0;
      for (int k = 0; k < 3; k++)
        rsq += (x[3 * j + k] - x[3 * i + k]) * (x[3 * j + k] - x[3 * i + k]);
      if (!std::isfinite(rsq) || rsq < SHORTEST_DISTANCE * SHORTEST_DISTANCE)
        throw std::runtime_error("Atoms " + std::to_string(i) + " and " + std::to_string(j) +
                                 " overlap or have no finite position");
      if (rsq < cutsq) near[i].push_back(j);
    }
  std::vector<int> rows(n), counts(n), types(type, type + n);
  std::vector<const int *> neighbours(n);
  for (int i = 0; i < n; i++) {
    rows[i] = i;
    counts[i] = (int) near[i].size();
    neighbours[i] = near[i].data();
  }
  Atoms atoms;
  atoms.nlocal = atoms.nfeatures = atoms.nlist = n;
  atoms.x = x;
  atoms.type = types.data();
  atoms.feature_row = atoms.list = rows.data();
  atoms.nneighbours = counts.data();
  atoms.neighbours = neighbours.data();
  atoms.neighbour_mask = ~0;
  NoExchange exchange;
  const double began = processor_time();
  evaluator.compute(atoms, exchange, results, nmembers);
  return processor_time() - began;
}

}    // namespace

int lamplighter_mace_open(const char *path, int32_t nelements, const char *const *elements,
                          const char *dtype, int32_t intervals, void **evaluator, double *cutoff,
                          char *message, int32_t size)
{
  return guarded(message, size, [&] {
    std::vector<std::string> symbols(elements, elements + nelements);
    auto opened = MaceEvaluator::open(path, symbols, dtype, intervals);
    *cutoff = opened->cutoff();
    *evaluator = opened.release();
  });
}

void lamplighter_mace_summary(void *evaluator, char *text, int32_t size)
{
  if (size > 0)
    snprintf(text, (size_t) size, "%s", ((MaceEvaluator *) evaluator)->summary().c_str());
}

int lamplighter_mace_evaluate(void *evaluator, int32_t nmembers, int32_t n, const double *x,
                              const int32_t *type, double *energy, double *f, double *eatoms,
                              double *virial, double *seconds, char *message, int32_t size)
{
  return guarded(message, size, [&] {
    MaceEvaluator &mace = *(MaceEvaluator *) evaluator;
    if (nmembers < 1 || nmembers > mace.members() || n < 0)
      throw std::runtime_error("There are " + std::to_string(mace.members()) + " models, not " +
                               std::to_string(nmembers));
    memset(f, 0, 3 * sizeof(double) * n * nmembers);
    memset(eatoms, 0, sizeof(double) * n * nmembers);
    memset(virial, 0, 6 * sizeof(double) * nmembers);
    std::vector<Results> results;
    for (int k = 0; k < nmembers; k++)
      results.push_back(
          {0.0, f + 3 * (size_t) k * n, eatoms + (size_t) k * n, virial + 6 * k, nullptr});
    *seconds = evaluate(mace, nmembers, n, x, type, results.data());
    for (int k = 0; k < nmembers; k++) energy[k] = results[k].energy;
  });
}

int32_t lamplighter_mace_members(void *evaluator)
{
  return ((MaceEvaluator *) evaluator)->members();
}

void lamplighter_mace_close(void *evaluator)
{
  delete (MaceEvaluator *) evaluator;
}
