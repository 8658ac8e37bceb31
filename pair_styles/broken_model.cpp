// SPDX-License-Identifier: GPL-2.0-or-later

#include "broken_model.h"

#include "fix_guard.h"
#include "stop_all.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "lammps.h"
#include "modify.h"
#include "update.h"
#include "utils.h"

#include <cmath>

using namespace LAMMPS_NS;

namespace {

/* What in an answer is no finite number, in words; nothing where all are. */

std::string not_finite_in(LAMMPS *lmp, const Answer &answer)
{
  // 0, or not a number
  double sum = 0.0 * answer.energy, of_virial = 0.0;
  const int nall = lmp->atom->nlocal + lmp->atom->nghost;
  for (int k = 0; k < 3 * nall; k++) sum += 0.0 * answer.f[k];
  for (int d = 0; d < 6 && answer.virial; d++) of_virial += 0.0 * answer.virial[d];
  if (sum + of_virial == 0.0) return "";
  for (int i = 0; i < nall; i++)
    if (!std::isfinite(answer.f[3 * i] + answer.f[3 * i + 1] + answer.f[3 * i + 2]))
      return fmt::format("a force on atom {}", lmp->atom->tag[i]);
  return std::isfinite(answer.energy) ? "a virial" : "an energy";
}

std::vector<FixGuard *> guards_of(LAMMPS *lmp)
{
  std::vector<FixGuard *> guards;
  for (Fix *fix : lmp->modify->get_fix_by_style("^guard$"))
    if (auto *guard = dynamic_cast<FixGuard *>(fix)) guards.push_back(guard);
  return guards;
}

}    // namespace

BrokenModel LAMMPS_NS::find_broken_model(LAMMPS *lmp, const std::vector<Answer> &answers,
                                         const std::string &problem)
{
  std::string mine = problem;
  size_t turn = 0;    // 0: of a problem; else one more than the place of a model
  while (mine.empty() && turn++ < answers.size()) mine = not_finite_in(lmp, answers[turn - 1]);
  // the first model of all ranks, and of these the first
  const int nprocs = lmp->comm->nprocs;
  const int here = nprocs * (int) turn + lmp->comm->me;
  int first;
  MPI_Allreduce(&here, &first, 1, MPI_INT, MPI_MIN, lmp->world);
  const int model = first / nprocs - 1;
  if (model == (int) answers.size()) return {-1, ""};
  const std::string what = text_of_rank(lmp, first % nprocs, mine);
  if (model < 0) lmp->error->all(FLERR, what);
  return {model, what};
}

void LAMMPS_NS::see_to_broken_model(LAMMPS *lmp, const std::string &model, const std::string &what)
{
  const std::string problem = fmt::format(
      "Model {} gives {} that is no finite number at step {}: either the structure has left "
      "what the model knows (a shorter timestep, a minimisation first, a guard that ends the run "
      "before), or the file is damaged (make or copy it again)",
      model, what, lmp->update->ntimestep);
  std::vector<FixGuard *> guards;
  // a minimisation has no guard, and the inner steps of rRESPA have none
  if (lmp->update->whichflag == 1 && utils::strmatch(lmp->update->integrate_style, "^verlet"))
    guards = guards_of(lmp);
  bool stops = false;
  for (const FixGuard *guard : guards) stops = stops || guard->stops_runs();
  for (FixGuard *guard : guards)
    guard->note_broken_model(problem, !stops && guard == guards.back());
  if (guards.empty()) lmp->error->all(FLERR, problem);
}

void LAMMPS_NS::let_guards_hear(LAMMPS *lmp)
{
  for (FixGuard *guard : guards_of(lmp)) guard->hear_models();
}
