// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_lamplighter_committee.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "neighbor.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

// bits of eflag: what is wanted
static constexpr int ENERGY_OF_ALL = 1, ENERGIES_OF_ATOMS = 2;

PairLamplighterCommittee::PairLamplighterCommittee(LAMMPS *lmp) :
    PairOfMembers(lmp), members_ready_(false), lists_seen_(false)
{
}

/* pair_style lamplighter/committee KEYWORDS STYLE_1 args ... STYLE_2 args ...: a word that is the
   name of a pair style begins the next member. A hybrid, which reads its own line in the same way,
   would take these names for parts of its own: there they are written with a leading `=`. */

void PairLamplighterCommittee::settings(int narg, char **arg)
{
  members_.clear();
  names_.clear();
  named_.clear();
  committee_ = std::make_unique<Committee>(lmp, "pair_style lamplighter/committee");
  int iarg = 0;
  while (iarg < narg)
    if (const int taken = committee_->take_keyword(narg, arg, iarg))
      iarg += taken;
    else
      break;
  if (!committee_->wanted())
    error->all(FLERR, "pair_style lamplighter/committee needs 'committee every N'");
  const auto is_name = [&](const char *word) {
    return force->pair_map->count(word + (word[0] == '=')) > 0;
  };
  if (iarg < narg && !is_name(arg[iarg]))
    error->all(FLERR,
               "pair_style lamplighter/committee: '{}' is neither {} nor a pair style of this "
               "LAMMPS",
               arg[iarg], Committee::keywords());
  while (iarg < narg) {
    int end = iarg + 1;
    while (end < narg && !is_name(arg[end])) end++;
    add_member(arg[iarg] + (arg[iarg][0] == '='), end - iarg - 1, arg + iarg + 1);
    iarg = end;
  }
  set_up_committee((int) members_.size(), members_.empty() ? "nothing" : names_[0]);
}

void PairLamplighterCommittee::add_member(const std::string &name, int narg, char **arg)
{
  if (utils::strmatch(name, "^hybrid") || name == "lamplighter/committee")
    error->all(FLERR, "pair_style lamplighter/committee: {} cannot be a member", name);
  int suffix = 0;
  members_.emplace_back(force->new_pair(name, 1, suffix));
  names_.push_back(name);
  named_.emplace_back(lmp,
                      fmt::format("pair_coeff of member {} ({}) of pair_style "
                                  "lamplighter/committee",
                                  names_.size(), name));
  Pair &member = *members_.back();
  member.settings(narg, arg);

  comm_forward = std::max(comm_forward, member.comm_forward);
  comm_reverse = std::max(comm_reverse, member.comm_reverse);
  comm_reverse_off = std::max(comm_reverse_off, member.comm_reverse_off);
  manybody_flag = std::max(manybody_flag, member.manybody_flag);
  ghostneigh = std::max(ghostneigh, member.ghostneigh);
}

/* pair_coeff I J MEMBER args: MEMBER is a number from 1 on, or a range of them (`*`: all). */

void PairLamplighterCommittee::coeff(int narg, char **arg)
{
  if (!allocated) allocate();
  if (narg < 3)
    error->all(FLERR,
               "pair_coeff of pair_style lamplighter/committee needs the number of a member after "
               "the atom types (or * for all), and then what the member's own pair_coeff takes");
  int first, last;
  utils::bounds(FLERR, arg[2], 1, (int) members_.size(), first, last, error);
  std::vector<char *> words{arg[0], arg[1]};
  words.insert(words.end(), arg + 3, arg + narg);
  for (int k = first; k <= last; k++) {
    members_[k - 1]->coeff((int) words.size(), words.data());
    note_elements(k - 1, words);
    comm_forward = std::max(comm_forward, members_[k - 1]->comm_forward);
    comm_reverse = std::max(comm_reverse, members_[k - 1]->comm_reverse);
  }
  int ilo, ihi, jlo, jhi;
  utils::bounds(FLERR, arg[0], 1, atom->ntypes, ilo, ihi, error);
  utils::bounds(FLERR, arg[1], 1, atom->ntypes, jlo, jhi, error);
  for (int i = ilo; i <= ihi; i++)
    for (int j = std::max(jlo, i); j <= jhi; j++) setflag[i][j] = 1;
}

/* Styles that need elements name them at the end of `pair_coeff * *`, one for each type. */

void PairLamplighterCommittee::note_elements(size_t k, const std::vector<char *> &words)
{
  const size_t ntypes = atom->ntypes;
  if (names_[k] == "lamplighter" || words.size() < 2 + ntypes)
    return;    // that one sees to its own
  if (strcmp(words[0], "*") != 0 || strcmp(words[1], "*") != 0) return;
  named_[k].set({words.end() - (ptrdiff_t) ntypes, words.end()});
}

void PairLamplighterCommittee::init_style()
{
  for (NamedElements &each : named_) each.hold_against_masses();
  prepare_fixes();
  members_ready_ = lists_seen_ = false;
  lists_known_.assign(members_.size(), -1);
}

/* Members are made ready here, and not in init_style: by now a hybrid has left out what it takes
   for none of its own from all lists that were asked for. */

double PairLamplighterCommittee::init_one(int i, int j)
{
  if (!members_ready_)
    for (const auto &member : members_) member->init();
  members_ready_ = true;
  double longest = 0.0;
  for (const auto &member : members_)
    longest = std::max(longest, std::sqrt(member->cutsq[std::min(i, j)][std::max(i, j)]));
  return longest;
}

void PairLamplighterCommittee::setup()
{
  for (const auto &member : members_) member->setup();
}

void PairLamplighterCommittee::reset_dt()
{
  for (const auto &member : members_) member->reset_dt();
}

/* All members where their turn has come, else the driver alone. Members add their forces to those
   of the atoms, so that these are put aside. */

void PairLamplighterCommittee::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  if (neighbor->ago == 0 || !lists_seen_) see_new_lists();
  const size_t nall = (size_t) (atom->nlocal + atom->nghost);
  if (!all_are_due()) {
    const size_t driver = committee_->driver();
    const bool direct = force->pair == this && !is_trial();    // nobody else's forces are there yet
    const double *f = nullptr;
    if (direct) {
      compute_member(driver, eflag, vflag);
      f = nall ? atom->f[0] : nullptr;
    } else {
      member_f_.resize(3 * nall);
      evaluate(driver, eflag, vflag, member_f_.data());
      f = member_f_.data();
    }
    const auto name = [&](int) { return name_of((int) driver); };
    if (!may_be_added({answer_of(driver, eflag & ENERGY_OF_ALL, f)}, name)) return;
    add_results(*members_[driver], direct ? nullptr : f, 1.0);
    return;
  }

  const size_t K = members_.size();
  member_f_.resize(3 * nall * K);
  std::vector<double> energies(K);
  std::vector<const double *> forces(K);
  std::vector<Answer> answers;
  for (size_t k = 0; k < K; k++) {
    double *f = member_f_.data() + 3 * nall * k;
    evaluate(k, eflag | ENERGY_OF_ALL, vflag, f);
    answers.push_back(answer_of(k, true, f));
    forces[k] = f;
    energies[k] = answers[k].energy;
  }
  if (!may_be_added(answers, [&](int k) { return name_of(k); })) return;
  double excess;
  const std::vector<double> weights = committee_->weights(energies, excess);
  find_spread(forces);
  for (size_t k = 0; k < K; k++)
    if (weights[k] != 0.0) add_results(*members_[k], forces[k], weights[k]);
  add_excess(excess);
}

/* What members make of exclusions: pairs are pairs to a pair potential, and a part of an atom's
   neighbours is nothing to the others. */

void PairLamplighterCommittee::see_new_lists()
{
  const std::string exclusion = present_.find();
  lists_seen_ = true;
  if (exclusion.empty()) return;
  for (size_t k = 0; k < members_.size(); k++)
    if (members_[k]->manybody_flag)
      error->all(FLERR,
                 "pair_style lamplighter/committee: 'neigh_modify {}' hides some of their "
                 "neighbours from atoms that are there, and energies and forces of member {} ({}) "
                 "depend on all neighbours of an atom: leave it out, or take atoms out altogether: "
                 "'neigh_modify exclude group GROUP all'",
                 exclusion, k + 1, names_[k]);
}

/* Many-body styles give an atom without neighbours an energy of its own; an absent one has none.

   Styles keep what they derive from the neighbour lists for as long as `ago` is not 0. A member
   that was left out when the lists were built (between evaluations of all) is told that they are
   new. */

void PairLamplighterCommittee::compute_member(size_t k, int eflag, int vflag)
{
  const int ago = neighbor->ago;
  if (lists_known_[k] != neighbor->lastcall) neighbor->ago = 0;
  const bool of_absent = !present_.all() && members_[k]->manybody_flag;
  members_[k]->compute(of_absent ? eflag | ENERGIES_OF_ATOMS : eflag, vflag);
  neighbor->ago = ago;
  if (of_absent)
    for (int i = 0; i < atom->nlocal; i++)
      if (!present_.has(i)) {
        members_[k]->eng_vdwl -= members_[k]->eatom[i];
        members_[k]->eatom[i] = 0.0;
      }
  lists_known_[k] = neighbor->lastcall;
}

/* The forces of one member alone, on local atoms and ghosts. */

void PairLamplighterCommittee::evaluate(size_t k, int eflag, int vflag, double *f)
{
  const size_t size = 3 * (size_t) (atom->nlocal + atom->nghost);
  double *all = size ? atom->f[0] : nullptr;
  others_f_.assign(all, all + size);
  std::fill(all, all + size, 0.0);
  compute_member(k, eflag, vflag);
  std::copy(all, all + size, f);
  std::copy(others_f_.begin(), others_f_.end(), all);
}

/* `has_energy`: it was asked for; `f`: the forces of the member on local atoms and ghosts. */

Answer PairLamplighterCommittee::answer_of(size_t k, bool has_energy, const double *f) const
{
  const Pair &member = *members_[k];
  return {has_energy ? member.eng_vdwl + member.eng_coul : 0.0, f,
          vflag_global ? member.virial : nullptr};
}

std::string PairLamplighterCommittee::name_of(int k) const
{
  return fmt::format("{} ({}) of the committee", k + 1, names_[k]);
}

/* Without forces, they are where they belong. */

void PairLamplighterCommittee::add_results(const Pair &from, const double *f, double weight)
{
  const int nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  const int known = force->newton ? nall : nlocal;    // rows of per-atom energies and virials
  if (f) {
    double *all = nall ? atom->f[0] : nullptr;
    for (size_t k = 0; k < 3 * (size_t) nall; k++) all[k] += weight * f[k];
  }
  if (eflag_global) {
    eng_vdwl += weight * from.eng_vdwl;
    eng_coul += weight * from.eng_coul;
  }
  if (eflag_atom)
    for (int i = 0; i < known; i++) eatom[i] += weight * from.eatom[i];
  if (vflag_global)
    for (int d = 0; d < 6; d++) virial[d] += weight * from.virial[d];
  if (vflag_atom)
    for (int i = 0; i < known; i++)
      for (int d = 0; d < 6; d++) vatom[i][d] += weight * from.vatom[i][d];
}

double PairLamplighterCommittee::memory_usage()
{
  double bytes = PairOfMembers::memory_usage();
  bytes += (double) (others_f_.capacity() + member_f_.capacity()) * sizeof(double);
  for (const auto &member : members_) bytes += member->memory_usage();
  return bytes;
}
