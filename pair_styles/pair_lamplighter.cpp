// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_lamplighter.h"

#include "bridge_registry.h"
#include "fix_carry.h"
#include "native/radial_table.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "platform.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

using namespace LAMMPS_NS;

namespace {

// LAMMPS sizes its communication buffers before a model is known, so wide features travel in
// messages of at most this many doubles per atom.
constexpr int MAX_DOUBLES_PER_MESSAGE = 128;

constexpr double OVERLAP = lamplighter::SHORTEST_DISTANCE;    // a broken structure, not physics

const char *const NO_PROCESS =
    "pair_style lamplighter evaluates this model in a Python process, and none is connected to "
    "this "
    "LAMMPS: run the script with 'lamplighter lmp -in SCRIPT' in place of 'lmp', or call "
    "lamplighter.potentials.bridge.attach(lmp) after creating LAMMPS in Python; or compile the "
    "model "
    "with 'lamplighter compile MODEL' and name the .lamp file, which needs no Python";

/* One rank folds ghosts onto their atoms and has nothing to exchange; several send features through
   the pair style. */
class ExchangeThrough : public lamplighter::Exchange {
 public:
  ExchangeThrough(PairLamplighter *pair, bool needed) : pair_(pair), needed_(needed) {}
  void forward(void *rows, int width, int size) override
  {
    if (needed_) pair_->forward_exchange(rows, rows, width, size);
  }
  void reverse(void *rows, int width, int size) override
  {
    if (needed_) pair_->reverse_exchange(rows, rows, width, size);
  }

 private:
  PairLamplighter *pair_;
  bool needed_;
};

double native_seconds = 0.0;
int64_t native_evaluations = 0;

bool ends_with(const std::string &text, const std::string &end)
{
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}    // namespace

extern "C" void lamplighter_native_timing(double *seconds, int64_t *evaluations)
{
  *seconds = native_seconds;
  *evaluations = native_evaluations;
}

/* ---------------------------------------------------------------------- */

PairLamplighter::PairLamplighter(LAMMPS *lmp) :
    Pair(lmp), dtype("auto"), device("auto"), kind("auto"), engine("auto"), model{-1, 0.0, 1},
    opened(false), energy_scale(1.0), committee_every(0), driver(0), unbiased(false),
    nmembers_found(0.0), variance_max(0.0), deviation_max(0.0), evaluated_step(-1), carry(nullptr),
    message(Message::NONE), rows(nullptr), stride(0), offset(0), chunk_bytes(0), chunk_elements(0),
    element_bytes(8)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  unit_convert_flag = utils::get_supported_conversions(utils::ENERGY);
  // ghosts of one rank are folded onto their owners, so sum r*f over ghosts would not be the virial
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
  comm_forward = MAX_DOUBLES_PER_MESSAGE;
  comm_reverse = MAX_DOUBLES_PER_MESSAGE;
}

PairLamplighter::~PairLamplighter()
{
  close_model();
  if (carry && modify && modify->get_fix_by_id(carry_id)) modify->delete_fix(carry_id);
  delete[] pvector;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairLamplighter::close_model()
{
  const lamplighter_bridge &bridge = registered_bridge();
  if (opened && bridge.close) bridge.close(model.handle);
  opened = false;
  native.reset();
}

void PairLamplighter::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 1; i < n; i++)
    for (int j = i; j < n; j++) setflag[i][j] = 0;
}

/* pair_style lamplighter [dtype D] [device D] [kind K] [engine E]
                          [committee every N] [drive first|mean|M] [divisor K|K-1] */

void PairLamplighter::settings(int narg, char **arg)
{
  dtype = device = kind = engine = "auto";
  committee_every = driver = 0;
  unbiased = false;
  for (int iarg = 0; iarg < narg; iarg += 2) {
    const std::string key = arg[iarg];
    if (key != "dtype" && key != "device" && key != "kind" && key != "engine" &&
        key != "committee" && key != "drive" && key != "divisor")
      error->all(
          FLERR,
          "Unknown keyword '{}' in pair_style lamplighter: expected dtype, device, kind, engine, "
          "committee, drive or divisor",
          key);
    if (iarg + 1 >= narg)
      error->all(FLERR, "pair_style lamplighter: keyword '{}' lacks its value", key);
    const std::string value = arg[iarg + 1];
    if (key == "dtype") {
      if (value != "float32" && value != "float64" && value != "auto")
        error->all(FLERR, "pair_style lamplighter: dtype must be float32 or float64, got '{}'",
                   value);
      dtype = value;
    } else if (key == "device") {
      const bool numbered = value.compare(0, 5, "cuda:") == 0 && value.size() > 5 &&
          value.find_first_not_of("0123456789", 5) == std::string::npos;
      if (value != "auto" && value != "cpu" && value != "cuda" && !numbered)
        error->all(FLERR,
                   "pair_style lamplighter: device must be auto, cpu, cuda or cuda:K, got '{}'",
                   value);
      device = value;
    } else if (key == "engine") {
      if (value != "auto" && value != "native" && value != "bridge")
        error->all(FLERR, "pair_style lamplighter: engine must be auto, native or bridge, got '{}'",
                   value);
      engine = value;
    } else if (key == "committee") {
      if (value != "every" || iarg + 2 >= narg)
        error->all(FLERR, "pair_style lamplighter: expected 'committee every N'");
      committee_every = utils::inumeric(FLERR, arg[iarg + 2], false, lmp);
      if (committee_every < 1)
        error->all(FLERR, "pair_style lamplighter: 'committee every N' needs N >= 1 steps, got {}",
                   committee_every);
      iarg++;
    } else if (key == "drive") {
      driver = value == "first" ? 0
          : value == "mean"     ? MEAN
                                : utils::inumeric(FLERR, value, false, lmp) - 1;
      if (driver < 0 && value != "mean")
        error->all(
            FLERR,
            "pair_style lamplighter: drive must be first, mean or the number of a model from 1 "
            "on, got '{}'",
            value);
    } else if (key == "divisor") {
      if (value != "K" && value != "K-1")
        error->all(FLERR, "pair_style lamplighter: divisor must be K or K-1, got '{}'", value);
      unbiased = value == "K-1";
    } else {
      kind = value;
    }
  }
  if (!committee_every && (driver || unbiased))
    error->all(
        FLERR,
        "pair_style lamplighter: drive and divisor are of a committee: give 'committee every "
        "N', too");
}

/* pair_coeff * * MODEL [MODEL ...] ELEMENT_OF_TYPE_1 ... ELEMENT_OF_TYPE_N */

void PairLamplighter::coeff(int narg, char **arg)
{
  if (!allocated) allocate();

  if (narg < 2 || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0)
    error->all(FLERR,
               "pair_coeff of pair_style lamplighter must begin with '* *': a model holds for all "
               "atom types at once");
  const int ntypes = atom->ntypes;
  const int nmodels = narg - 2 - ntypes;
  if (nmodels < 1)
    error->all(FLERR,
               "pair_coeff of pair_style lamplighter needs a model file and then {} elements, one "
               "for each atom type; got {} arguments after '* *'",
               ntypes, narg - 2);

  models.assign(arg + 2, arg + 2 + nmodels);
  elements_of_types.assign(arg + 2 + nmodels, arg + narg);
  for (int itype = 1; itype <= ntypes; itype++)
    if (elements_of_types[itype - 1] == "NULL")
      error->all(FLERR,
                 "pair_coeff of pair_style lamplighter: type {} is NULL, but the energy of an atom "
                 "depends on all of its neighbours, so no type can be left out: name its element, "
                 "or delete these atoms",
                 itype);

  close_model();
  const std::string compiled = compiled_model();
  if (!compiled.empty()) {
    open_native(compiled);
  } else {
    if (committee_every)
      error->all(
          FLERR,
          "pair_style lamplighter: committees run in the native engine only, so far: MACE models "
          "of one architecture that it covers, on CPUs, without 'engine bridge'");
    const lamplighter_bridge &bridge = registered_bridge();
    if (!bridge.open) error->all(FLERR, NO_PROCESS);
    const lamplighter_request request = make_request();
    const int failed = bridge.open(&request, &model);
    opened = !failed;
    stop_all_if(failed ? bridge.message() : "");
  }

  for (int i = 1; i <= ntypes; i++)
    for (int j = i; j <= ntypes; j++) setflag[i][j] = 1;
}

lamplighter_request PairLamplighter::make_request()
{
  model_names.clear();
  element_names.clear();
  for (const auto &name : models) model_names.push_back(name.c_str());
  for (const auto &name : elements_of_types) element_names.push_back(name.c_str());
  lamplighter_request request;
  request.pair = this;
  request.dtype = dtype.c_str();
  request.device = device.c_str();
  request.kind = kind.c_str();
  request.committee = committee_every;
  request.nmodels = (int) models.size();
  request.models = model_names.data();
  request.ntypes = (int) elements_of_types.size();
  request.elements = element_names.data();
  request.rank = comm->me;
  request.nranks = comm->nprocs;
  return request;
}

/* The file that the native engine is to read, or nothing where the bridge is to evaluate the model.
 */

std::string PairLamplighter::compiled_model()
{
  const bool compiled = ends_with(models[0], ".lamp");
  if (engine == "bridge") {
    if (compiled)
      error->all(FLERR,
                 "pair_style lamplighter: {} is a compiled model, which only the native engine "
                 "evaluates: leave out 'engine bridge', or name the model that it was made from",
                 models[0]);
    return "";
  }
  const bool gpu = device.compare(0, 4, "cuda") == 0;
  if (gpu && (compiled || engine == "native"))
    error->all(FLERR,
               "pair_style lamplighter: the native engine runs on CPUs, and 'device {}' asks for a "
               "GPU: use the model file itself with 'engine bridge'",
               device);
  if (compiled) {
    if (models.size() > 1)
      error->all(
          FLERR,
          "pair_style lamplighter: {} files are named, and a compiled model stands alone: put "
          "several models into one file with 'lamplighter compile A.model B.model -o BOTH.lamp'",
          models.size());
    return models[0];
  }
  const lamplighter_bridge &bridge = registered_bridge();
  if (gpu || !bridge.compile) {
    if (engine == "native") error->all(FLERR, NO_PROCESS);
    return "";
  }

  // one rank compiles, the others read the file
  char path[4096] = "";
  int status = 0;
  std::string problem;
  if (comm->me == 0) {
    const lamplighter_request request = make_request();
    status = bridge.compile(&request, path, (int) sizeof(path));
    if (status == 1 || (status && engine == "native")) {
      problem = bridge.message();
      if (problem.empty()) problem = models[0] + " cannot be compiled for the native engine";
    }
  }
  stop_all_if(problem);
  MPI_Bcast(&status, 1, MPI_INT, 0, world);
  MPI_Bcast(path, (int) sizeof(path), MPI_CHAR, 0, world);
  return status ? "" : path;
}

void PairLamplighter::open_native(const std::string &file)
{
  std::string problem;
  try {
    native = lamplighter::MaceEvaluator::open(file, elements_of_types, dtype);
    model.cutoff = native->cutoff();
  } catch (const std::exception &caught) {
    problem = caught.what();
  }
  stop_all_if(problem);
  if (comm->me == 0) utils::logmesg(lmp, "pair lamplighter: {}\n", native->summary());
  set_up_committee();
}

/* Thermo output by `compute ID all pair lamplighter`: what find_variance lists. */

void PairLamplighter::set_up_committee()
{
  delete[] pvector;
  pvector = nullptr;
  nextra = 0;
  nmembers_found = 0.0;
  evaluated_step = -1;
  if (!committee_every) return;
  const int members = native->members();
  if (members < 2)
    error->all(
        FLERR,
        "pair_style lamplighter: a committee needs two models or more, and {} is alone: name "
        "several model files in pair_coeff, or a .lamp file that was compiled from several",
        models[0]);
  if (driver >= members)
    error->all(FLERR, "pair_style lamplighter: 'drive {}' asks for a model beyond the {} there are",
               driver + 1, members);
  nmembers_found = members;
  nextra = 8 + atom->ntypes;
  pvector = new double[nextra];
  std::fill(pvector, pvector + nextra, 0.0);
}

void PairLamplighter::init_style()
{
  if (strcmp(update->unit_style, "metal") == 0)
    energy_scale = 1.0;
  else if (strcmp(update->unit_style, "real") == 0)
    energy_scale = utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
  else
    error->all(FLERR, "pair_style lamplighter needs units metal or real, got units {}",
               update->unit_style);

  if (!force->newton_pair)
    error->all(FLERR,
               "pair_style lamplighter needs 'newton on': forces on ghost atoms are sent "
               "back to the ranks that own them");

  // both weights 0: LAMMPS leaves the bonded neighbour out of the list
  if (atom->molecular != Atom::ATOMIC && atom->nbonds > 0)
    for (int k = 1; k <= 3; k++)
      if (force->special_lj[k] == 0.0 && force->special_coul[k] == 0.0)
        error->all(FLERR,
                   "pair_style lamplighter: special_bonds weight 0 of 1-{} neighbours would hide "
                   "bonded atoms from the model: use 'special_bonds lj/coul 1.0 1.0 1.0'",
                   k + 1);

  neighbor->add_request(this, NeighConst::REQ_FULL);

  if (nextra && !carry) {
    carry_id = fmt::format("LAMPLIGHTER_VARIANCE_{}", (void *) this);
    carry = dynamic_cast<FixCarry *>(modify->add_fix(carry_id + " all lamplighter/carry"));
  }
}

double PairLamplighter::init_one(int i, int j)
{
  if (setflag[i][j] == 0)
    error->all(FLERR, "pair_style lamplighter: pair_coeff is not set for types {} and {}", i, j);
  return model.cutoff;
}

/* Ends the run on all ranks with the message of the first rank that has one. Collective. */

void PairLamplighter::stop_all_if(const std::string &problem)
{
  const int mine = problem.empty() ? comm->nprocs : comm->me;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == comm->nprocs) return;
  int length = (int) problem.size();
  MPI_Bcast(&length, 1, MPI_INT, first, world);
  std::string text = problem;
  text.resize(length);
  MPI_Bcast(&text[0], length, MPI_CHAR, first, world);
  error->all(FLERR, text);
}

void PairLamplighter::check_positions(std::string &problem) const
{
  double **x = atom->x;
  for (int i = 0; i < atom->nlocal; i++)
    if (!std::isfinite(x[i][0] + x[i][1] + x[i][2])) {
      problem = fmt::format("Atom {} has the position ({}, {}, {}) at step {}: the run has become "
                            "unstable, or the structure that it started from holds such numbers",
                            atom->tag[i], x[i][0], x[i][1], x[i][2], update->ntimestep);
      return;
    }
}

std::string PairLamplighter::overlap_of(int i, int j, double distance) const
{
  return fmt::format("Atoms {} and {} overlap at step {}: they are {:.4g} Angstrom apart, "
                     "less than {} Angstrom; check the structure, or minimise it with a "
                     "repulsive pair style first",
                     atom->tag[i], atom->tag[j], update->ntimestep, distance, OVERLAP);
}

/* With one rank every ghost is an image of a local atom: learn of which. */

void PairLamplighter::find_owners()
{
  const int nall = atom->nlocal + atom->nghost;
  owner.resize(nall);
  for (int i = 0; i < nall; i++) owner[i] = i;
  if (comm->nprocs > 1) return;
  message = Message::OWNER;
  comm->forward_comm(this, 1);
  message = Message::NONE;
}

int64_t PairLamplighter::build_pairs(std::string &problem)
{
  double **x = atom->x;
  const double cutsq_model = model.cutoff * model.cutoff;
  int64_t n = 0;
  for (int ii = 0; ii < list->inum; ii++) {
    const int i = list->ilist[ii];
    const int *jlist = list->firstneigh[i];
    const int jnum = list->numneigh[i];
    if (n + jnum > (int64_t) pair_i.size()) {
      const size_t capacity = (size_t) (1.5 * (n + jnum)) + 1024;
      pair_i.resize(capacity);
      pair_j.resize(capacity);
      rij.resize(3 * capacity);
    }
    const double xi = x[i][0], yi = x[i][1], zi = x[i][2];
    for (int jj = 0; jj < jnum; jj++) {
      const int j = jlist[jj] & NEIGHMASK;
      const double dx = x[j][0] - xi, dy = x[j][1] - yi, dz = x[j][2] - zi;
      const double rsq = dx * dx + dy * dy + dz * dz;
      if (rsq >= cutsq_model) continue;
      if (rsq < OVERLAP * OVERLAP && problem.empty()) problem = overlap_of(i, j, std::sqrt(rsq));
      pair_i[n] = i;
      pair_j[n] = owner[j];
      rij[3 * n] = dx;
      rij[3 * n + 1] = dy;
      rij[3 * n + 2] = dz;
      n++;
    }
  }
  fij.resize(rij.size());
  return n;
}

/* The whole list, for a model that keeps pairs where it runs. */

void PairLamplighter::build_list()
{
  list_i.clear();
  list_j.clear();
  list_j_x.clear();
  for (int ii = 0; ii < list->inum; ii++) {
    const int i = list->ilist[ii];
    const int *jlist = list->firstneigh[i];
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = jlist[jj] & NEIGHMASK;
      list_i.push_back(i);
      list_j.push_back(owner[j]);
      list_j_x.push_back(j);
    }
  }
}

void PairLamplighter::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);

  const int nlocal = atom->nlocal;
  const int nall = nlocal + atom->nghost;
  const bool rebuilt = neighbor->ago == 0 || (int) owner.size() != nall;
  if (rebuilt) find_owners();

  if (native) {
    compute_native();
    return;
  }

  std::string problem;
  check_positions(problem);
  int64_t npairs = 0;
  if (model.host_pairs) {
    if (problem.empty()) npairs = build_pairs(problem);
  } else if (rebuilt) {
    build_list();
  }
  stop_all_if(problem);

  if ((int) eatoms.size() < nlocal) eatoms.resize((size_t) (1.2 * nlocal) + 16);

  lamplighter_step step;
  memset(&step, 0, sizeof(step));
  step.nlocal = nlocal;
  step.ntotal = comm->nprocs > 1 ? nall : nlocal;
  step.rebuilt = rebuilt;
  step.peratom = vflag_atom != 0;
  step.virial_wanted = vflag_either != 0;
  step.type = atom->type;
  step.npairs = npairs;
  step.pair_capacity = (int64_t) pair_i.size();
  step.pair_i = pair_i.data();
  step.pair_j = pair_j.data();
  step.rij = rij.data();
  step.fij = fij.data();
  step.nlist = (int64_t) list_i.size();
  step.list_capacity = (int64_t) list_i.capacity();
  step.list_i = list_i.data();
  step.list_j = list_j.data();
  step.list_j_x = list_j_x.data();
  step.nx = nall;
  step.x = nall ? atom->x[0] : nullptr;
  step.atom_capacity = (int64_t) eatoms.size();
  step.eatoms = eatoms.data();

  // a model that makes its pairs itself adds its forces to these, in the unit of the model
  std::vector<double> f_model, vatom_model;
  double virial_model[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  if (!model.host_pairs) {
    f_model.assign((size_t) 3 * nall, 0.0);
    if (step.peratom) vatom_model.assign((size_t) 6 * nall, 0.0);
    step.f = f_model.data();
    step.virial = virial_model;
    step.vatom = vatom_model.data();
  }

  const lamplighter_bridge &bridge = registered_bridge();
  if (!bridge.compute) error->all(FLERR, NO_PROCESS);
  if (bridge.compute(model.handle, &step)) {
    // The other ranks may be waiting for this one inside an exchange: only ending them all is safe.
    // The traceback is out already; mpirun gets a moment to pass it on, as an abort may cut it off.
    if (comm->nprocs > 1) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      MPI_Abort(world, 1);
    }
    error->all(FLERR, std::string(bridge.message()));
  }

  if (model.host_pairs) {
    scatter_pair_forces(npairs);
  } else {
    double **f = atom->f;
    for (int i = 0; i < nall; i++)
      for (int k = 0; k < 3; k++) f[i][k] += energy_scale * f_model[3 * (size_t) i + k];
    if (vflag_global)
      for (int k = 0; k < 6; k++) virial[k] += energy_scale * virial_model[k];
    if (vflag_atom)
      for (int i = 0; i < nall; i++)
        for (int k = 0; k < 6; k++) vatom[i][k] += energy_scale * vatom_model[6 * (size_t) i + k];
  }
  if (eflag_global) eng_vdwl += energy_scale * step.energy;
  if (eflag_atom)
    for (int i = 0; i < nlocal; i++) eatom[i] += energy_scale * eatoms[i];
}

void PairLamplighter::compute_native()
{
  const int nlocal = atom->nlocal;
  const int nall = nlocal + atom->nghost;
  // an atom's neighbours are ghosts of this rank: without atoms there are none
  lamplighter::Atoms atoms;
  atoms.nlocal = nlocal;
  atoms.nfeatures = comm->nprocs > 1 ? nall : nlocal;
  atoms.x = nall ? atom->x[0] : nullptr;
  atoms.type = atom->type;
  atoms.feature_row = owner.data();
  atoms.nlist = list->inum;
  atoms.list = list->ilist;
  atoms.nneighbours = list->numneigh;
  atoms.neighbours = list->firstneigh;
  atoms.neighbour_mask = NEIGHMASK;

  // All members where their turn has come or their mean drives; else the driver alone. Results are
  // in the model's units, and are scaled on their way out.
  const bool all = nextra &&
      (driver == MEAN || update->ntimestep % committee_every == 0 || evaluated_step < 0);
  const int first = all ? 0 : driver;
  const int count = all ? native->members() : 1;
  const bool direct = energy_scale == 1.0 && !all;
  if (!direct) member_f.assign((size_t) 3 * nall * count, 0.0);
  if (eflag_atom) member_eatoms.assign((size_t) nlocal * count, 0.0);
  if (vflag_atom) member_vatom.assign((size_t) 6 * nall * count, 0.0);
  std::vector<double> member_virial((size_t) 6 * count, 0.0);
  std::vector<lamplighter::Results> results(count);
  for (int k = 0; k < count; k++) {
    results[k].energy = 0.0;
    results[k].f = direct ? (nall ? atom->f[0] : nullptr) : member_f.data() + (size_t) 3 * nall * k;
    results[k].eatoms = eflag_atom ? member_eatoms.data() + (size_t) nlocal * k : nullptr;
    results[k].virial = vflag_global ? &member_virial[6 * k] : nullptr;
    results[k].vatom = vflag_atom ? member_vatom.data() + (size_t) 6 * nall * k : nullptr;
  }

  std::string problem;
  check_positions(problem);
  stop_all_if(problem);
  ExchangeThrough exchange(this, comm->nprocs > 1);
  const double began = platform::walltime();
  const auto overlap = native->compute(atoms, exchange, results.data(), count, first);
  native_seconds += platform::walltime() - began;
  native_evaluations++;
  if (overlap.found) problem = overlap_of(overlap.i, overlap.j, overlap.distance);
  stop_all_if(problem);
  if (all) find_variance(results);

  for (int k = 0; k < count; k++) {
    // one member drives, or all with equal weights
    if (all && driver != MEAN && k != driver) continue;
    const double weight = energy_scale * (driver == MEAN ? 1.0 / count : 1.0);
    if (!direct) {
      double **f = atom->f;
      const double *from = results[k].f;
      for (int i = 0; i < nall; i++)
        for (int d = 0; d < 3; d++) f[i][d] += weight * from[3 * (size_t) i + d];
    }
    if (eflag_global) eng_vdwl += weight * results[k].energy;
    if (eflag_atom)
      for (int i = 0; i < nlocal; i++) eatom[i] += weight * results[k].eatoms[i];
    if (vflag_global)
      for (int d = 0; d < 6; d++) virial[d] += weight * member_virial[6 * k + d];
    if (vflag_atom)
      for (int i = 0; i < nall; i++)
        for (int d = 0; d < 6; d++) vatom[i][d] += weight * results[k].vatom[6 * (size_t) i + d];
  }
}

/* sigma_i^2 = 1/K sum over k of |F_i^k - mean F_i|^2 (or 1/(K-1)), eV^2/Angstrom^2, of every local
   atom, and over all atoms of all ranks: 1 largest, 2 mean, 3 smallest variance, 4 largest
   deviation (its root, eV/Angstrom), 5 standard deviation of the energy (eV), 6 that per atom, 7
   step, 8 number of models, then the largest variance of each atom type. */

void PairLamplighter::find_variance(const std::vector<lamplighter::Results> &results)
{
  const int nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  const int K = (int) results.size(), width = 3 * K;
  member_rows.resize((size_t) std::max(nall, 1) * width);
  for (int k = 0; k < K; k++)
    for (int i = 0; i < nall; i++)
      for (int d = 0; d < 3; d++)
        member_rows[(size_t) i * width + 3 * k + d] = results[k].f[3 * (size_t) i + d];
  reverse_exchange(member_rows.data(), member_rows.data(), width, sizeof(double));

  const double divisor = unbiased ? K - 1 : K;
  const int ntypes = atom->ntypes;
  // the largest variance of all, of each type, and of minus the variance
  std::vector<double> largest(ntypes + 2, 0.0), all_largest(ntypes + 2, 0.0);
  largest[ntypes + 1] = -1e300;
  std::vector<double> sums(K + 1, 0.0), all_sums(K + 1, 0.0);
  for (int i = 0; i < nlocal; i++) {
    const double *row = &member_rows[(size_t) i * width];
    double variance = 0.0;
    for (int d = 0; d < 3; d++) {
      double mean = 0.0;
      for (int k = 0; k < K; k++) mean += row[3 * k + d];
      mean /= K;
      for (int k = 0; k < K; k++) variance += (row[3 * k + d] - mean) * (row[3 * k + d] - mean);
    }
    variance /= divisor;
    if (carry) carry->values[i] = variance;
    double &of_type = largest[atom->type[i]];
    of_type = std::max(of_type, variance);
    largest[0] = std::max(largest[0], variance);
    largest[ntypes + 1] = std::max(largest[ntypes + 1], -variance);
    sums[K] += variance;
  }
  for (int k = 0; k < K; k++) sums[k] = results[k].energy;
  MPI_Allreduce(largest.data(), all_largest.data(), ntypes + 2, MPI_DOUBLE, MPI_MAX, world);
  MPI_Allreduce(sums.data(), all_sums.data(), K + 1, MPI_DOUBLE, MPI_SUM, world);
  double mean = 0.0, energy = 0.0;
  for (int k = 0; k < K; k++) mean += all_sums[k] / K;
  for (int k = 0; k < K; k++) energy += (all_sums[k] - mean) * (all_sums[k] - mean) / divisor;
  const double natoms = std::max<double>((double) atom->natoms, 1.0);
  variance_max = all_largest[0];
  deviation_max = std::sqrt(variance_max);
  evaluated_step = update->ntimestep;
  // compute pair adds up what ranks have
  if (comm->me != 0) return;
  pvector[0] = variance_max;
  pvector[1] = all_sums[K] / natoms;
  pvector[2] = atom->natoms ? -all_largest[ntypes + 1] : 0.0;
  pvector[3] = deviation_max;
  pvector[4] = std::sqrt(energy);
  pvector[5] = std::sqrt(energy) / natoms;
  pvector[6] = (double) evaluated_step;
  pvector[7] = K;
  for (int itype = 1; itype <= ntypes; itype++) pvector[7 + itype] = all_largest[itype];
}

/* Numbers that other styles ask for: fix guard, and any that know their names. */

void *PairLamplighter::extract(const char *name, int &dim)
{
  dim = 0;
  if (!nextra) return nullptr;
  if (strcmp(name, "committee") == 0) return &nmembers_found;
  if (strcmp(name, "committee_variance_max") == 0) return &variance_max;
  if (strcmp(name, "committee_deviation_max") == 0) return &deviation_max;
  return nullptr;
}

/* The force variance of each atom at the last step at which the committee was evaluated. */

void *PairLamplighter::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  return carry && strcmp(name, "variance") == 0 ? carry->values : nullptr;
}

/* The virial of a pair is -r_ij (x) f_ij; atoms i and j take half of it each, which is how MACE
   divides its own atomic virials. */

void PairLamplighter::scatter_pair_forces(int64_t npairs)
{
  double **f = atom->f;
  for (int64_t n = 0; n < npairs; n++) {
    const int64_t i = pair_i[n], j = pair_j[n];
    const double *r = &rij[3 * n];
    const double fx = energy_scale * fij[3 * n], fy = energy_scale * fij[3 * n + 1],
                 fz = energy_scale * fij[3 * n + 2];
    f[i][0] += fx;
    f[i][1] += fy;
    f[i][2] += fz;
    f[j][0] -= fx;
    f[j][1] -= fy;
    f[j][2] -= fz;
    if (!vflag_either) continue;
    const double v[6] = {-r[0] * fx,
                         -r[1] * fy,
                         -r[2] * fz,
                         -0.5 * (r[0] * fy + r[1] * fx),
                         -0.5 * (r[0] * fz + r[2] * fx),
                         -0.5 * (r[1] * fz + r[2] * fy)};
    if (vflag_global)
      for (int k = 0; k < 6; k++) virial[k] += v[k];
    if (vflag_atom)
      for (int k = 0; k < 6; k++) {
        vatom[i][k] += 0.5 * v[k];
        vatom[j][k] += 0.5 * v[k];
      }
  }
}

/* ---------------------------------------------------------------------- */

int PairLamplighter::doubles_for(int elements, int element_size)
{
  return (elements * element_size + 7) / 8;
}

void PairLamplighter::set_chunk(int first, int count)
{
  offset = (size_t) first * element_bytes;
  chunk_elements = count;
  chunk_bytes = (size_t) count * element_bytes;
}

void PairLamplighter::forward_exchange(const void *in, void *out, int width, int element_size)
{
  const int nlocal = atom->nlocal;
  element_bytes = element_size;
  stride = (size_t) width * element_size;
  if (nlocal && in != out) memcpy(out, in, stride * nlocal);
  rows = (char *) out;
  message = Message::FEATURES;
  const int most = MAX_DOUBLES_PER_MESSAGE * (8 / element_size);
  for (int first = 0; first < width; first += most) {
    set_chunk(first, std::min(most, width - first));
    comm->forward_comm(this, doubles_for(chunk_elements, element_size));
  }
  message = Message::NONE;
}

void PairLamplighter::reverse_exchange(const void *in, void *out, int width, int element_size)
{
  const size_t nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  element_bytes = element_size;
  stride = (size_t) width * element_size;
  if (nall && in != out) memcpy(out, in, stride * nall);
  rows = (char *) out;
  message = Message::FEATURES;
  const int most = MAX_DOUBLES_PER_MESSAGE * (8 / element_size);
  for (int first = 0; first < width; first += most) {
    set_chunk(first, std::min(most, width - first));
    comm->reverse_comm(this, doubles_for(chunk_elements, element_size));
  }
  message = Message::NONE;
  if (nall > nlocal) memset(rows + stride * nlocal, 0, stride * (nall - nlocal));
}

int PairLamplighter::pack_forward_comm(int n, int *sendlist, double *buf, int /*pbc_flag*/,
                                       int * /*pbc*/)
{
  if (message == Message::OWNER) {
    for (int i = 0; i < n; i++) buf[i] = owner[sendlist[i]];
    return n;
  }
  const int doubles = doubles_for(chunk_elements, element_bytes);
  for (int i = 0; i < n; i++)
    memcpy(buf + (size_t) i * doubles, rows + stride * sendlist[i] + offset, chunk_bytes);
  return n * doubles;
}

void PairLamplighter::unpack_forward_comm(int n, int first, double *buf)
{
  if (message == Message::OWNER) {
    for (int i = 0; i < n; i++) owner[first + i] = (int) buf[i];
    return;
  }
  const int doubles = doubles_for(chunk_elements, element_bytes);
  for (int i = 0; i < n; i++)
    memcpy(rows + stride * (first + i) + offset, buf + (size_t) i * doubles, chunk_bytes);
}

int PairLamplighter::pack_reverse_comm(int n, int first, double *buf)
{
  const int doubles = doubles_for(chunk_elements, element_bytes);
  for (int i = 0; i < n; i++)
    memcpy(buf + (size_t) i * doubles, rows + stride * (first + i) + offset, chunk_bytes);
  return n * doubles;
}

namespace {
template <typename T> void add_rows(char *to, const void *from, int count)
{
  T *sum = (T *) to;
  const T *term = (const T *) from;
  for (int k = 0; k < count; k++) sum[k] += term[k];
}
}    // namespace

void PairLamplighter::unpack_reverse_comm(int n, int *sendlist, double *buf)
{
  const int doubles = doubles_for(chunk_elements, element_bytes);
  for (int i = 0; i < n; i++) {
    char *to = rows + stride * sendlist[i] + offset;
    const double *from = buf + (size_t) i * doubles;
    if (element_bytes == 8)
      add_rows<double>(to, from, chunk_elements);
    else
      add_rows<float>(to, from, chunk_elements);
  }
}

double PairLamplighter::memory_usage()
{
  double bytes = Pair::memory_usage();
  bytes += (double) (rij.capacity() + fij.capacity() + eatoms.capacity()) * sizeof(double);
  bytes += (double) (pair_i.capacity() + pair_j.capacity() + list_i.capacity() + list_j.capacity() +
                     list_j_x.capacity()) *
      sizeof(int64_t);
  bytes += (double) owner.capacity() * sizeof(int);
  if (native) bytes += native->memory();
  return bytes;
}
