// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_committee.h"

#include "fix_carry.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "modify.h"
#include "neighbor.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

// bits of eflag: what is wanted
static constexpr int ENERGY_OF_ALL = 1, ENERGIES_OF_ATOMS = 2;

PairCommittee::PairCommittee(LAMMPS *lmp) :
    Pair(lmp), carry(nullptr), members_ready(false), lists_seen(false), present(lmp)
{
  single_enable = 0;
  restartinfo = 0;
  no_virial_fdotr_compute = 1;    // members see to their own
  centroidstressflag = CENTROID_NOTAVAIL;
}

PairCommittee::~PairCommittee()
{
  if (carry && modify && modify->get_fix_by_id(carry_id)) modify->delete_fix(carry_id);
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairCommittee::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 1; i < n; i++)
    for (int j = 1; j < n; j++) setflag[i][j] = 0;
}

/* pair_style lamplighter/committee KEYWORDS STYLE_1 args ... STYLE_2 args ...: a word that is the
   name of a pair style begins the next member. A hybrid, which reads its own line in the same way,
   would take these names for parts of its own: there they are written with a leading `=`. */

void PairCommittee::settings(int narg, char **arg)
{
  members.clear();
  names.clear();
  named.clear();
  committee = std::make_unique<Committee>(lmp, "pair_style lamplighter/committee");
  int iarg = 0;
  while (iarg < narg)
    if (const int taken = committee->take_keyword(narg, arg, iarg))
      iarg += taken;
    else
      break;
  if (!committee->wanted())
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
  committee->set_up((int) members.size(), members.empty() ? "nothing" : names[0]);
  pvector = committee->numbers();
  nextra = committee->nnumbers();
}

void PairCommittee::add_member(const std::string &name, int narg, char **arg)
{
  if (utils::strmatch(name, "^hybrid") || name == "lamplighter/committee")
    error->all(FLERR, "pair_style lamplighter/committee: {} cannot be a member", name);
  int suffix = 0;
  members.emplace_back(force->new_pair(name, 1, suffix));
  names.push_back(name);
  named.emplace_back(lmp,
                     fmt::format("pair_coeff of member {} ({}) of pair_style "
                                 "lamplighter/committee",
                                 names.size(), name));
  Pair &member = *members.back();
  member.settings(narg, arg);

  comm_forward = std::max(comm_forward, member.comm_forward);
  comm_reverse = std::max({comm_reverse, member.comm_reverse, 3 * (int) members.size()});
  comm_reverse_off = std::max(comm_reverse_off, member.comm_reverse_off);
  manybody_flag = std::max(manybody_flag, member.manybody_flag);
  ghostneigh = std::max(ghostneigh, member.ghostneigh);
}

/* pair_coeff I J MEMBER args: MEMBER is a number from 1 on, or a range of them (`*`: all). */

void PairCommittee::coeff(int narg, char **arg)
{
  if (!allocated) allocate();
  if (narg < 3)
    error->all(FLERR,
               "pair_coeff of pair_style lamplighter/committee needs the number of a member after "
               "the atom types (or * for all), and then what the member's own pair_coeff takes");
  int first, last;
  utils::bounds(FLERR, arg[2], 1, (int) members.size(), first, last, error);
  std::vector<char *> words{arg[0], arg[1]};
  words.insert(words.end(), arg + 3, arg + narg);
  for (int k = first; k <= last; k++) {
    members[k - 1]->coeff((int) words.size(), words.data());
    note_elements(k - 1, words);
    comm_forward = std::max(comm_forward, members[k - 1]->comm_forward);
    comm_reverse = std::max(comm_reverse, members[k - 1]->comm_reverse);
  }
  int ilo, ihi, jlo, jhi;
  utils::bounds(FLERR, arg[0], 1, atom->ntypes, ilo, ihi, error);
  utils::bounds(FLERR, arg[1], 1, atom->ntypes, jlo, jhi, error);
  for (int i = ilo; i <= ihi; i++)
    for (int j = std::max(jlo, i); j <= jhi; j++) setflag[i][j] = 1;
}

/* Styles that need elements name them at the end of `pair_coeff * *`, one for each type. */

void PairCommittee::note_elements(size_t k, const std::vector<char *> &words)
{
  const size_t ntypes = atom->ntypes;
  if (names[k] == "lamplighter" || words.size() < 2 + ntypes) return;    // that one sees to its own
  if (strcmp(words[0], "*") != 0 || strcmp(words[1], "*") != 0) return;
  named[k].set({words.end() - (ptrdiff_t) ntypes, words.end()});
}

void PairCommittee::init_style()
{
  for (NamedElements &each : named) each.hold_against_masses();
  if (!carry) {
    carry_id = fmt::format("LAMPLIGHTER_VARIANCE_{}", (void *) this);
    carry = dynamic_cast<FixCarry *>(modify->add_fix(carry_id + " all lamplighter/carry"));
  }
  members_ready = lists_seen = false;
  lists_known.assign(members.size(), -1);
}

/* Members are made ready here, and not in init_style: by now a hybrid has left out what it takes
   for none of its own from all lists that were asked for. */

double PairCommittee::init_one(int i, int j)
{
  if (!members_ready)
    for (const auto &member : members) member->init();
  members_ready = true;
  double longest = 0.0;
  for (const auto &member : members)
    longest = std::max(longest, std::sqrt(member->cutsq[std::min(i, j)][std::max(i, j)]));
  return longest;
}

void PairCommittee::setup()
{
  for (const auto &member : members) member->setup();
}

void PairCommittee::reset_dt()
{
  for (const auto &member : members) member->reset_dt();
}

/* All members where their turn has come, else the driver alone. Members add their forces to those
   of the atoms, so that these are put aside. */

void PairCommittee::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  if (neighbor->ago == 0 || !lists_seen) see_new_lists();
  const size_t nall = (size_t) (atom->nlocal + atom->nghost);
  if (!committee->is_due()) {
    const size_t driver = committee->driver();
    if (force->pair == this) {    // nobody else's forces are there yet
      compute_member(driver, eflag, vflag);
      add_results(*members[driver], nullptr, 1.0);
    } else {
      member_f.resize(3 * nall);
      evaluate(driver, eflag, vflag, member_f.data());
      add_results(*members[driver], member_f.data(), 1.0);
    }
    return;
  }

  const size_t K = members.size();
  member_f.resize(3 * nall * K);
  std::vector<double> energies(K);
  for (size_t k = 0; k < K; k++) {
    evaluate(k, eflag | ENERGY_OF_ALL, vflag, member_f.data() + 3 * nall * k);
    energies[k] = members[k]->eng_vdwl + members[k]->eng_coul;
  }
  double excess;
  const std::vector<double> weights = committee->weights(energies, excess);
  find_spread();
  for (size_t k = 0; k < K; k++)
    if (weights[k] != 0.0) add_results(*members[k], member_f.data() + 3 * nall * k, weights[k]);
  if (eflag_global && comm->me == 0) eng_vdwl += excess;
  if (eflag_atom)
    for (int i = 0; i < atom->nlocal; i++)
      if (present.has(i)) eatom[i] += excess / (double) present.count();
}

/* What members make of exclusions: pairs are pairs to a pair potential, and a part of an atom's
   neighbours is nothing to the others. */

void PairCommittee::see_new_lists()
{
  const std::string exclusion = present.find();
  lists_seen = true;
  if (exclusion.empty()) return;
  for (size_t k = 0; k < members.size(); k++)
    if (members[k]->manybody_flag)
      error->all(FLERR,
                 "pair_style lamplighter/committee: 'neigh_modify {}' hides some of their "
                 "neighbours from atoms that are there, and energies and forces of member {} ({}) "
                 "depend on all neighbours of an atom: leave it out, or take atoms out altogether: "
                 "'neigh_modify exclude group GROUP all'",
                 exclusion, k + 1, names[k]);
}

/* Many-body styles give an atom without neighbours an energy of its own; an absent one has none.

   Styles keep what they derive from the neighbour lists for as long as `ago` is not 0. A member
   that was left out when the lists were built (between evaluations of all) is told that they are
   new. */

void PairCommittee::compute_member(size_t k, int eflag, int vflag)
{
  const int ago = neighbor->ago;
  if (lists_known[k] != neighbor->lastcall) neighbor->ago = 0;
  const bool of_absent = !present.all() && members[k]->manybody_flag;
  members[k]->compute(of_absent ? eflag | ENERGIES_OF_ATOMS : eflag, vflag);
  neighbor->ago = ago;
  if (of_absent)
    for (int i = 0; i < atom->nlocal; i++)
      if (!present.has(i)) {
        members[k]->eng_vdwl -= members[k]->eatom[i];
        members[k]->eatom[i] = 0.0;
      }
  lists_known[k] = neighbor->lastcall;
}

/* The forces of one member alone, on local atoms and ghosts. */

void PairCommittee::evaluate(size_t k, int eflag, int vflag, double *f)
{
  const size_t size = 3 * (size_t) (atom->nlocal + atom->nghost);
  double *all = size ? atom->f[0] : nullptr;
  others_f.assign(all, all + size);
  std::fill(all, all + size, 0.0);
  compute_member(k, eflag, vflag);
  std::copy(all, all + size, f);
  std::copy(others_f.begin(), others_f.end(), all);
}

/* Without forces, they are where they belong. */

void PairCommittee::add_results(const Pair &from, const double *f, double weight)
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

/* The members' forces, sent home from ghosts, and their variance. */

void PairCommittee::find_spread()
{
  const size_t nall = (size_t) (atom->nlocal + atom->nghost);
  const size_t K = members.size(), width = 3 * K;
  rows.resize(std::max<size_t>(nall, 1) * width);
  for (size_t k = 0; k < K; k++)
    for (size_t i = 0; i < nall; i++)
      for (size_t d = 0; d < 3; d++)
        rows[i * width + 3 * k + d] = member_f[3 * nall * k + 3 * i + d];
  if (force->newton_pair) comm->reverse_comm(this, (int) width);
  committee->find_spread(rows.data(), present, carry->values);
}

int PairCommittee::pack_reverse_comm(int n, int first, double *buf)
{
  const size_t width = 3 * members.size();
  std::copy(&rows[first * width], &rows[first * width] + n * width, buf);
  return (int) (n * width);
}

void PairCommittee::unpack_reverse_comm(int n, int *sendlist, double *buf)
{
  const size_t width = 3 * members.size();
  for (int i = 0; i < n; i++)
    for (size_t d = 0; d < width; d++) rows[sendlist[i] * width + d] += buf[i * width + d];
}

void *PairCommittee::extract(const char *name, int &dim)
{
  dim = 0;
  return committee ? committee->extract(name) : nullptr;
}

void *PairCommittee::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  return carry && strcmp(name, "variance") == 0 ? carry->values : nullptr;
}

double PairCommittee::memory_usage()
{
  double bytes = Pair::memory_usage();
  bytes += (double) (others_f.capacity() + member_f.capacity() + rows.capacity()) * sizeof(double);
  for (const auto &member : members) bytes += member->memory_usage();
  return bytes;
}
