// SPDX-License-Identifier: GPL-2.0-or-later

#include "bridged_models.h"

#include "bridge_registry.h"
#include "broken_structure.h"
#include "stop_all.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "modify.h"
#include "neigh_list.h"
#include "universe.h"
#include "utils.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

using namespace LAMMPS_NS;

namespace {

const char *const NO_PROCESS =
    "pair_style lamplighter evaluates this model in a Python process, and none is connected to "
    "this LAMMPS: run the script with 'lamplighter lmp -in SCRIPT' in place of 'lmp', or call "
    "lamplighter.potentials.bridge.attach(lmp) after creating LAMMPS in Python; or compile the "
    "model with 'lamplighter compile MODEL' and name the .lamp file, which needs no Python";

const char *const NO_PROCESS_OF_A_REPLICA =
    "pair_style lamplighter evaluates this model in a Python process, which drives one LAMMPS on "
    "all ranks: with -partition replicas have none. Compile the model with 'lamplighter compile "
    "MODEL' and name the .lamp file, which needs no Python; or start one 'lamplighter lmp' for "
    "each replica";

/* The request as the C interface has it; its pointers are into `requested` and this. */
class Request {
 public:
  Request(const RequestedModels &requested, FeatureExchange &exchange, const Comm &comm, int wanted)
  {
    for (const auto &name : requested.files) files_.push_back(name.c_str());
    for (const auto &name : requested.elements_of_types) elements_.push_back(name.c_str());
    request_.pair = &exchange;
    request_.dtype = requested.dtype.c_str();
    request_.device = requested.device.c_str();
    request_.kind = requested.kind.c_str();
    request_.engine = requested.engine.c_str();
    request_.head = requested.head.c_str();
    request_.training_set = wanted == 0 ? requested.training_set.c_str() : "";
    request_.committee = requested.committee;
    request_.nmodels = (int) files_.size();
    request_.models = files_.data();
    request_.wanted = wanted;
    request_.ntypes = (int) elements_.size();
    request_.elements = elements_.data();
    request_.rank = comm.me;
    request_.nranks = comm.nprocs;
    request_.tf32 = requested.tf32;
  }
  Request(const Request &) = delete;
  Request &operator=(const Request &) = delete;
  operator const lamplighter_request *() const { return &request_; }

 private:
  std::vector<const char *> files_, elements_;
  lamplighter_request request_;
};

}    // namespace

BridgedModels::BridgedModels(LAMMPS *lmp, FeatureExchange &exchange) :
    Pointers(lmp), exchange_(exchange), lists_built_(0), pairs_within_(-1.0), npairs_(0)
{
}

BridgedModels::~BridgedModels()
{
  close();
}

void BridgedModels::close()
{
  const lamplighter_bridge &bridge = registered_bridge();
  if (bridge.close)
    for (const Model &each : open_) bridge.close(each.model.handle);
  open_.clear();
}

void BridgedModels::end_for_want_of_a_process() const
{
  error->all(FLERR, universe->nworlds > 1 ? NO_PROCESS_OF_A_REPLICA : NO_PROCESS);
}

bool BridgedModels::can_compile()
{
  return registered_bridge().compile != nullptr;
}

/* One rank compiles, the others read the file. */

std::string BridgedModels::compile(const RequestedModels &requested, bool must)
{
  const lamplighter_bridge &bridge = registered_bridge();
  if (!bridge.compile) {
    if (must) end_for_want_of_a_process();
    return "";
  }
  char path[4096] = "";
  int status = 0;
  std::string problem;
  if (comm->me == 0) {
    const Request request(requested, exchange_, *comm, 0);
    status = bridge.compile(request, path, (int) sizeof(path));
    if (status == 1 || (status && must)) {
      problem = bridge.message();
      if (problem.empty())
        problem = requested.files[0] + " cannot be compiled for the native engine";
      if (status != 1) problem += ": 'engine auto' and 'engine bridge' evaluate it as it is";
    } else if (status) {
      utils::logmesg(lmp, "pair lamplighter: through the bridge: {}\n", bridge.message());
    }
  }
  stop_all_if(lmp, problem);
  MPI_Bcast(&status, 1, MPI_INT, 0, world);
  MPI_Bcast(path, (int) sizeof(path), MPI_CHAR, 0, world);
  return status ? "" : path;
}

void BridgedModels::open(const RequestedModels &requested)
{
  const lamplighter_bridge &bridge = registered_bridge();
  if (!bridge.open) end_for_want_of_a_process();
  const int count = requested.committee ? (int) requested.files.size() : 1;
  for (int k = 0; k < count; k++) {
    const Request request(requested, exchange_, *comm, k);
    Model opened{{-1, 0.0, LAMPLIGHTER_PAIRS, 0}, -1, requested.files[k]};
    const int failed = bridge.open(request, &opened.model);
    if (!failed) open_.push_back(opened);
    stop_all_if(lmp, failed ? bridge.message() : "");
    const std::string said = bridge.message();
    if (comm->me == 0 && !said.empty()) utils::logmesg(lmp, "pair lamplighter: {}\n", said);
  }
}

double BridgedModels::cutoff() const
{
  double longest = 0.0;
  for (const Model &each : open_) longest = std::max(longest, each.model.cutoff);
  return longest;
}

/* A barostat would move the box by a pressure that is not known. */

void BridgedModels::require_virial() const
{
  for (const Model &each : open_)
    if (each.model.lacks_virial)
      for (const Fix *fix : modify->get_fix_list())
        if ((fix->box_change & (Fix::BOX_CHANGE_SIZE | Fix::BOX_CHANGE_SHAPE)) &&
            !utils::strmatch(fix->style, "^deform"))
          error->all(FLERR,
                     "pair_style lamplighter: fix {} ({}) changes the box by the pressure, and {} "
                     "gives no stress: run at constant volume, or use a model that has it",
                     fix->id, fix->style, each.file);
}

void BridgedModels::see_new_lists()
{
  lists_built_++;
}

void BridgedModels::evaluate(int k, const NeighList &list, const PresentAtoms &present,
                             const std::vector<int> &owner, lamplighter::Results &results,
                             double *extrapolation)
{
  Model &evaluated = open_[k];
  const lamplighter_model &model = evaluated.model;
  const int nlocal = atom->nlocal;
  const int nall = nlocal + atom->nghost;
  // models of one cutoff share their pairs
  if (model.takes == LAMPLIGHTER_PAIRS && pairs_within_ != model.cutoff)
    build_pairs(list, owner, model.cutoff);
  else if (model.takes == LAMPLIGHTER_LIST && evaluated.list_seen != lists_built_)
    build_list(list, owner);
  const int64_t npairs = model.takes == LAMPLIGHTER_PAIRS ? npairs_ : 0;
  if ((int) eatoms_.size() < nlocal) eatoms_.resize((size_t) (1.2 * nlocal) + 16);

  lamplighter_step step;
  memset(&step, 0, sizeof(step));
  step.nlocal = nlocal;
  step.ntotal = comm->nprocs > 1 ? nall : nlocal;
  step.rebuilt = evaluated.list_seen != lists_built_;
  step.peratom = results.vatom != nullptr;
  step.virial_wanted = results.virial || results.vatom;
  step.type = atom->type;
  step.absent = present.absent();
  step.npairs = npairs;
  step.pair_capacity = (int64_t) pair_i_.size();
  step.pair_i = pair_i_.data();
  step.pair_j = pair_j_.data();
  step.rij = rij_.data();
  step.fij = fij_.data();
  step.nlist = (int64_t) list_i_.size();
  step.list_capacity = (int64_t) list_i_.capacity();
  step.list_i = list_i_.data();
  step.list_j = list_j_.data();
  step.list_j_x = list_j_x_.data();
  step.nx = nall;
  step.x = nall ? atom->x[0] : nullptr;
  step.f = results.f;
  double virial_here[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  step.virial = results.virial ? results.virial : virial_here;
  step.vatom = results.vatom;
  if (model.takes == LAMPLIGHTER_SYSTEM) describe_system(step);
  step.atom_capacity = (int64_t) eatoms_.size();
  step.eatoms = eatoms_.data();
  step.extrapolation = extrapolation;

  const lamplighter_bridge &bridge = registered_bridge();
  if (!bridge.compute) end_for_want_of_a_process();
  if (bridge.compute(model.handle, &step)) {
    // The other ranks may be waiting for this one inside an exchange: only ending them all is safe.
    // The traceback is out already; mpirun gets a moment to pass it on, as an abort may cut it off.
    if (comm->nprocs > 1) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      MPI_Abort(world, 1);
    }
    error->all(FLERR, std::string(bridge.message()));
  }
  evaluated.list_seen = lists_built_;
  if (model.takes == LAMPLIGHTER_SYSTEM && results.virial && std::isnan(step.virial[0])) {
    // it seemed to have one
    evaluated.model.lacks_virial = 1;
    require_virial();
  }

  if (model.takes == LAMPLIGHTER_PAIRS)
    for (int64_t n = 0; n < npairs; n++)
      lamplighter::add_pair_force(pair_i_[n], pair_j_[n], &rij_[3 * n], &fij_[3 * n], results);
  leave_out_absent(present, step.energy);
  results.energy += step.energy;
  if (results.eatoms)
    for (int i = 0; i < nlocal; i++) results.eatoms[i] += eatoms_[i];
}

/* The pairs within a distance, sorted by their first atom. Collective. */

void BridgedModels::build_pairs(const NeighList &list, const std::vector<int> &owner, double within)
{
  std::string problem;
  double **x = atom->x;
  const double cutsq_model = within * within;
  int64_t n = 0;
  for (int ii = 0; ii < list.inum; ii++) {
    const int i = list.ilist[ii];
    const int *jlist = list.firstneigh[i];
    const int jnum = list.numneigh[i];
    if (n + jnum > (int64_t) pair_i_.size()) {
      const size_t capacity = (size_t) (1.5 * (n + jnum)) + 1024;
      pair_i_.resize(capacity);
      pair_j_.resize(capacity);
      rij_.resize(3 * capacity);
    }
    const double xi = x[i][0], yi = x[i][1], zi = x[i][2];
    for (int jj = 0; jj < jnum; jj++) {
      const int j = jlist[jj] & NEIGHMASK;
      const double dx = x[j][0] - xi, dy = x[j][1] - yi, dz = x[j][2] - zi;
      const double rsq = dx * dx + dy * dy + dz * dz;
      if (rsq >= cutsq_model) continue;
      if (rsq < OVERLAP * OVERLAP && problem.empty())
        problem = overlap_of(lmp, i, j, std::sqrt(rsq));
      pair_i_[n] = i;
      pair_j_[n] = owner[j];
      rij_[3 * n] = dx;
      rij_[3 * n + 1] = dy;
      rij_[3 * n + 2] = dz;
      n++;
    }
  }
  fij_.resize(rij_.size());
  pairs_within_ = within;
  npairs_ = n;
  stop_all_if(lmp, problem);
}

/* The whole list, for a model that keeps pairs where it runs. */

void BridgedModels::build_list(const NeighList &list, const std::vector<int> &owner)
{
  list_i_.clear();
  list_j_.clear();
  list_j_x_.clear();
  for (int ii = 0; ii < list.inum; ii++) {
    const int i = list.ilist[ii];
    const int *jlist = list.firstneigh[i];
    for (int jj = 0; jj < list.numneigh[i]; jj++) {
      const int j = jlist[jj] & NEIGHMASK;
      list_i_.push_back(i);
      list_j_.push_back(owner[j]);
      list_j_x_.push_back(j);
    }
  }
}

/* Cell and tags, for a model that takes all atoms as a calculator does. */

void BridgedModels::describe_system(lamplighter_step &step)
{
  tags_.resize(atom->nlocal);
  for (int i = 0; i < atom->nlocal; i++) tags_[i] = atom->tag_enable ? atom->tag[i] : i;
  step.tag = tags_.data();
  const double cell[9] = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                          0.0,          domain->xz, domain->yz, domain->zprd};
  memcpy(step.cell, cell, sizeof(cell));
  for (int d = 0; d < 3; d++) step.periodic[d] = domain->periodicity[d];
}

/* A model that takes pairs sees an absent atom as one that has no neighbours, which has an energy
   of its own. */

void BridgedModels::leave_out_absent(const PresentAtoms &present, double &energy)
{
  if (present.all()) return;
  energy = 0.0;
  for (int i = 0; i < atom->nlocal; i++) {
    if (!present.has(i)) eatoms_[i] = 0.0;
    energy += eatoms_[i];
  }
}

double BridgedModels::memory() const
{
  return (double) (rij_.capacity() + fij_.capacity() + eatoms_.capacity()) * sizeof(double) +
      (double) (pair_i_.capacity() + pair_j_.capacity() + list_i_.capacity() + list_j_.capacity() +
                list_j_x_.capacity()) *
      sizeof(int64_t);
}
