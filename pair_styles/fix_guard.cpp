// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_guard.h"

#include "command_words.h"
#include "elements.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "memory.h"
#include "modify.h"
#include "timer.h"
#include "update.h"
#include "utils.h"

#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;
using namespace FixConst;

/* fix ID group guard N keyword value ... */

FixGuard::FixGuard(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), named_(lmp, "fix guard"), stop_(true), bonds_(lmp, this, numbers_),
    criteria_(lmp, bonds_, groupbit), evidence_(lmp, id, numbers_), first_criterion_(0),
    first_step_(-1), nevents_(0), reported_step_(GuardCriteria::count() + 1, -1),
    reported_value_(GuardCriteria::count() + 1, 0.0), timed_out_by_us_(false),
    broken_model_ends_run_(false)
{
  restart_global = restart_peratom = 1;
  scalar_flag = vector_flag = 1;
  size_vector = GuardCriteria::count() + 2;
  extscalar = extvector = 0;
  maxexchange_dynamic = 1;
  create_attribute = 1;
  stores_ids = 1;
  comm_forward = 1;
  dynamic_group_allow = 0;

  parse(narg, arg);
  global_freq = nevery;
  find_elements();
  evidence_.check_files(bonds_.list_file());

  grow_arrays(atom->nmax);
  atom->add_callback(Atom::GROW);
  atom->add_callback(Atom::RESTART);
  for (int i = 0; i < atom->nlocal; i++) set_arrays(i);
}

FixGuard::~FixGuard()
{
  if (copymode) return;
  atom->delete_callback(id, Atom::GROW);
  atom->delete_callback(id, Atom::RESTART);
}

void FixGuard::parse(int narg, char **arg)
{
  if (narg < 4) utils::missing_cmd_args(FLERR, "fix guard", error);
  nevery = utils::inumeric(FLERR, arg[3], false, lmp);
  if (nevery < 1)
    error->all(FLERR, "fix guard: N must be at least 1, the steps between checks, got {}", nevery);

  CommandWords words(lmp, "fix guard", narg, arg, 4);
  while (!words.at_end()) {
    const std::string key = words.take();
    if (!criteria_.take_keyword(key, words, nevery) && !bonds_.take_keyword(key, words) &&
        !evidence_.take_keyword(key, words) && !take_keyword(key, words))
      error->all(FLERR, "fix guard: unknown keyword '{}'; expected {}, {}, elements, action, {}",
                 key, GuardCriteria::keywords(), GuardBonds::keywords(), GuardEvidence::keywords());
  }
}

/* What belongs to no part of the guard alone. */

bool FixGuard::take_keyword(const std::string &key, CommandWords &words)
{
  if (key == "action") {
    const std::string kind = words.value_of(key);
    if (kind != "stop" && kind != "record")
      error->all(FLERR, "fix guard: action must be stop or record, got '{}'", kind);
    stop_ = kind == "stop";
  } else if (key == "elements") {
    numbers_.assign(1, 0);
    std::vector<std::string> symbols;
    for (int itype = 1; itype <= atom->ntypes; itype++) {
      const std::string symbol = words.value_of(key);
      numbers_.push_back(lamplighter::atomic_number(symbol));
      if (!numbers_.back())
        error->all(FLERR, "fix guard: '{}' (atom type {}) is not a chemical element", symbol,
                   itype);
      symbols.push_back(symbol);
    }
    named_.set(symbols);
  } else {
    return false;
  }
  return true;
}

/* Types whose element was not given are known by their mass. */

void FixGuard::find_elements()
{
  if (!numbers_.empty()) return;
  numbers_.assign(atom->ntypes + 1, 0);
  if (!atom->mass) return;
  const double gram_per_mol = strcmp(update->unit_style, "metal") == 0 ||
          strcmp(update->unit_style, "real") == 0
      ? 1.0
      : 0.0;
  for (int itype = 1; itype <= atom->ntypes; itype++)
    if (atom->mass_setflag[itype])
      numbers_[itype] = lamplighter::element_of_mass(gram_per_mol * atom->mass[itype]);
}

int FixGuard::setmask()
{
  return END_OF_STEP;
}

/* What acts at each step has atoms copied from a GPU: only where a model may break. */

void FixGuard::hear_models()
{
  modify->fmask[modify->find_fix(id)] |= POST_FORCE;
}

void FixGuard::init()
{
  named_.hold_against_masses();
  criteria_.init();
  broken_model_.clear();    // of a run that ended before it was told of
}

void FixGuard::init_list(int, NeighList *given)
{
  bonds_.set_list(given);
}

void FixGuard::setup(int)
{
  find_bonds();
  if (timed_out_by_us_) {
    timer->reset_timeout();
    timed_out_by_us_ = false;
  }
  first_criterion_ = 0;
  first_step_ = -1;
  criteria_.setup();
  report_broken_model();
  check();
}

/* A minimisation may start from anything: its bonds count, its forces do not. */

void FixGuard::min_setup(int)
{
  find_bonds();
}

void FixGuard::find_bonds()
{
  if (bonds_.known() || !criteria_.watches_bonds()) return;
  bonds_.find([&](double reference) { return criteria_.longest_watched(reference); });
}

void FixGuard::note_broken_model(const std::string &problem, bool as_error)
{
  if (!broken_model_.empty()) return;    // one of a committee is enough
  broken_model_ = problem;
  broken_model_ends_run_ = as_error;
}

void FixGuard::post_force(int)
{
  report_broken_model();
}

void FixGuard::report_broken_model()
{
  if (broken_model_.empty()) return;
  const std::string problem = std::move(broken_model_);
  broken_model_.clear();
  report(criteria_.find_not_finite(), problem);
  if (broken_model_ends_run_) error->all(FLERR, problem);
}

void FixGuard::end_of_step()
{
  evidence_.keep_frame();
  check();
}

/* A run that we have stopped must not stop the next one. */

void FixGuard::post_run()
{
  if (timed_out_by_us_) timer->reset_timeout();
  timed_out_by_us_ = false;
}

int FixGuard::modify_param(int narg, char **arg)
{
  if (strcmp(arg[0], "temp") != 0 && strcmp(arg[0], "pe") != 0) return 0;
  if (narg < 2) utils::missing_cmd_args(FLERR, "fix_modify guard", error);
  if (!modify->get_compute_by_id(arg[1]))
    error->all(FLERR, "fix_modify: there is no compute {}", arg[1]);
  criteria_.set_compute(arg[0], arg[1]);
  return 2;
}

/* ---------------------------------------------------------------------- */

void FixGuard::check()
{
  for (const int criterion : criteria_.check()) report(criterion);
}

/* Notes what happened, writes the evidence, and stops the run if that was asked for. Collective. */

void FixGuard::report(int criterion, const std::string &cause)
{
  if (!first_criterion_) {
    first_criterion_ = criterion;
    first_step_ = update->ntimestep;
  }
  // the last step of a run is also the first of the next: it is told of once
  const double before = reported_value_[criterion], value = criteria_.found(criterion);
  const bool told = reported_step_[criterion] == update->ntimestep &&
      !(std::fabs(value - before) > 1e-9 * std::fabs(before));
  reported_step_[criterion] = update->ntimestep;
  reported_value_[criterion] = value;
  if (!told) {
    nevents_++;
    evidence_.report(criteria_, criterion, stop_, cause);
  }
  stop_run();
}

void FixGuard::stop_run()
{
  if (!stop_ || timed_out_by_us_) return;
  timer->force_timeout();
  timed_out_by_us_ = true;
}

/* ---------------------------------------------------------------------- */

/* 0, or the number of the criterion that was violated first in this run. */

double FixGuard::compute_scalar()
{
  return first_criterion_;
}

/* What the last check found, criterion by criterion, the step of the first violation in this run or
   -1, and the number of violations so far. */

double FixGuard::compute_vector(int k)
{
  if (k < GuardCriteria::count()) return criteria_.found(k + 1);
  return k == GuardCriteria::count() ? (double) first_step_ : (double) nevents_;
}

double FixGuard::memory_usage()
{
  return bonds_.of_atoms().memory_usage() + evidence_.memory_usage();
}

void FixGuard::grow_arrays(int nmax)
{
  bonds_.of_atoms().grow_arrays(nmax);
}

void FixGuard::copy_arrays(int i, int j, int)
{
  bonds_.of_atoms().copy_arrays(i, j);
}

void FixGuard::set_arrays(int i)
{
  bonds_.of_atoms().set_arrays(i);
}

int FixGuard::pack_exchange(int i, double *buf)
{
  return bonds_.of_atoms().pack_exchange(i, buf);
}

int FixGuard::unpack_exchange(int nlocal, double *buf)
{
  return bonds_.of_atoms().unpack_exchange(nlocal, buf);
}

int FixGuard::pack_restart(int i, double *buf)
{
  const int n = pack_exchange(i, buf + 1);
  buf[0] = n + 1;
  return n + 1;
}

void FixGuard::unpack_restart(int nlocal, int nth)
{
  double **extra = atom->extra;
  int m = 0;
  for (int k = 0; k < nth; k++) m += (int) extra[nlocal][m];
  unpack_exchange(nlocal, extra[nlocal] + m + 1);
}

int FixGuard::size_restart(int i)
{
  return bonds_.of_atoms().size_restart(i);
}

int FixGuard::maxsize_restart()
{
  return bonds_.of_atoms().maxsize_restart();
}

void FixGuard::write_restart(FILE *file)
{
  if (comm->me != 0) return;
  const GuardCriteria::Start &start = criteria_.start;
  const double state[5] = {(bonds_.known() ? 1.0 : 0.0) + (start.has_density ? 2.0 : 0.0),
                           start.has_energy ? 1.0 : 0.0, start.energy, (double) nevents_,
                           start.density};
  const int size = sizeof(state);
  fwrite(&size, sizeof(int), 1, file);
  fwrite(state, sizeof(double), 5, file);
}

void FixGuard::restart(char *buf)
{
  const double *state = (const double *) buf;
  GuardCriteria::Start &start = criteria_.start;
  bonds_.set_known((int) state[0] & 1);
  start.has_density = (int) state[0] & 2;    // files of older versions end before the density
  if (start.has_density) start.density = state[4];
  start.has_energy = state[1] > 0.5;
  start.energy = state[2];
  nevents_ = (bigint) state[3];
}

int FixGuard::pack_forward_comm(int n, int *sendlist, double *buf, int, int *)
{
  return bonds_.of_atoms().pack_forward_comm(n, sendlist, buf);
}

void FixGuard::unpack_forward_comm(int n, int first, double *buf)
{
  bonds_.of_atoms().unpack_forward_comm(n, first, buf);
}
