// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_lamplighter.h"

#include "bridge_registry.h"
#include "file_name.h"
#include "fix_carry.h"
#include "fix_trial.h"
#include "native/radial_table.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "group.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "platform.h"
#include "universe.h"
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

// the energy of what cannot be, as fix gcmc has it
constexpr double IMPOSSIBLE = 1.0e100;

constexpr double OVERLAP = lamplighter::SHORTEST_DISTANCE;    // a broken structure, not physics

const char *const NO_PROCESS =
    "pair_style lamplighter evaluates this model in a Python process, and none is connected to "
    "this "
    "LAMMPS: run the script with 'lamplighter lmp -in SCRIPT' in place of 'lmp', or call "
    "lamplighter.potentials.bridge.attach(lmp) after creating LAMMPS in Python; or compile the "
    "model "
    "with 'lamplighter compile MODEL' and name the .lamp file, which needs no Python";

const char *const NO_PROCESS_OF_A_REPLICA =
    "pair_style lamplighter evaluates this model in a Python process, which drives one LAMMPS on "
    "all "
    "ranks: with -partition replicas have none. Compile the model with 'lamplighter compile MODEL' "
    "and name the .lamp file, which needs no Python; or start one 'lamplighter lmp' for each "
    "replica";

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

/* The group of `comm_modify group`, which has no public name; 0: all. */
class BorderGroup : public Comm {
 public:
  static int of(Comm *comm) { return comm->*(&BorderGroup::bordergroup); }
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
    Pair(lmp), dtype("auto"), device("auto"), kind("auto"), engine("auto"), cutoff(0.0),
    energy_scale(1.0), lists_built(0), present(lmp), pairs_known(false),
    named(lmp, "pair_coeff of pair_style lamplighter"), carry(nullptr), trial(nullptr),
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
  close_models();
  for (const std::string &id : {carry_id, trial_id})
    if (modify && !id.empty() && modify->get_fix_by_id(id)) modify->delete_fix(id);
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairLamplighter::close_models()
{
  const lamplighter_bridge &bridge = registered_bridge();
  if (bridge.close)
    for (const Bridged &each : bridged) bridge.close(each.model.handle);
  bridged.clear();
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

/* pair_style lamplighter [dtype D] [device D] [kind K] [engine E] [head H] [keywords of a
 * committee] */

void PairLamplighter::settings(int narg, char **arg)
{
  dtype = device = kind = engine = "auto";
  head.clear();
  committee = std::make_unique<Committee>(lmp, "pair_style lamplighter");
  int iarg = 0;
  while (iarg < narg) {
    if (const int taken = committee->take_keyword(narg, arg, iarg)) {
      iarg += taken;
      continue;
    }
    const std::string key = arg[iarg];
    if (key != "dtype" && key != "device" && key != "kind" && key != "engine" && key != "head")
      error->all(FLERR,
                 "Unknown keyword '{}' in pair_style lamplighter: expected dtype, device, kind, "
                 "engine, head, {}",
                 key, Committee::keywords());
    if (iarg + 1 >= narg)
      error->all(FLERR, "pair_style lamplighter: keyword '{}' lacks its value", key);
    const std::string value = arg[iarg + 1];
    iarg += 2;
    if (key == "dtype") {
      if (value != "float32" && value != "float64" && value != "auto")
        error->all(FLERR,
                   "pair_style lamplighter: dtype must be auto, float32 or float64, got '{}'",
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
    } else if (key == "head") {
      head = value;
    } else {
      kind = value;
    }
  }
  committee->check_keywords();
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

  models.clear();
  for (int k = 0; k < nmodels; k++) models.push_back(lamplighter::file_named_by(arg[2 + k]));
  require_whole_names(std::vector<std::string>(arg + 2, arg + 2 + nmodels));
  elements_of_types.assign(arg + 2 + nmodels, arg + narg);
  for (int itype = 1; itype <= ntypes; itype++)
    if (elements_of_types[itype - 1] == "NULL")
      error->all(FLERR,
                 "pair_coeff of pair_style lamplighter: type {} is NULL, but the energy of an atom "
                 "depends on all of its neighbours, so no type can be left out: name its element, "
                 "or delete these atoms",
                 itype);
  named.set(elements_of_types);

  close_models();
  const std::string compiled = compiled_model();
  if (!compiled.empty())
    open_native(compiled);
  else
    open_bridged();
  committee->set_up(models_open(), models[0]);
  // thermo output by `compute ID all pair lamplighter`
  pvector = committee->numbers();
  nextra = pvector ? committee->nnumbers() : 0;

  for (int i = 1; i <= ntypes; i++)
    for (int j = i; j <= ntypes; j++) setflag[i][j] = 1;
}

/* LAMMPS has dropped bytes of names that are not ASCII before they come here. */

void PairLamplighter::require_whole_names(const std::vector<std::string> &words)
{
  std::string problem;
  if (comm->me == 0)
    for (const std::string &name : words) {
      const bool ascii = std::all_of(name.begin(), name.end(),
                                     [](char c) { return (unsigned char) c < 128; });
      if (!ascii && name.compare(0, 5, "file:") != 0 && !platform::file_is_readable(name) &&
          !platform::path_is_directory(name))
        problem = "the model file " + name +
            " does not exist. LAMMPS takes bytes out of names that are not ASCII: write such a "
            "name as file: and percent-encoding, M\u00fcller.model as file:M%C3%BCller.model";
    }
  stop_all_if(problem);
}

lamplighter_request PairLamplighter::make_request(int wanted)
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
  request.head = head.c_str();
  request.committee = committee->wanted();
  request.nmodels = (int) models.size();
  request.models = model_names.data();
  request.wanted = wanted;
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
    if (!head.empty())
      error->all(
          FLERR,
          "pair_style lamplighter: {} is a compiled model, which has one head: leave out "
          "'head {}', and name the head where it is made: lamplighter compile MODEL --head {}",
          models[0], head, head);
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
    if (engine == "native")
      error->all(FLERR, universe->nworlds > 1 ? NO_PROCESS_OF_A_REPLICA : NO_PROCESS);
    return "";
  }

  // one rank compiles, the others read the file
  char path[4096] = "";
  int status = 0;
  std::string problem;
  if (comm->me == 0) {
    const lamplighter_request request = make_request(0);
    status = bridge.compile(&request, path, (int) sizeof(path));
    if (status == 1 || (status && engine == "native")) {
      problem = bridge.message();
      if (problem.empty()) problem = models[0] + " cannot be compiled for the native engine";
    } else if (status) {
      utils::logmesg(lmp, "pair lamplighter: through the bridge: {}\n", bridge.message());
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
    cutoff = native->cutoff();
  } catch (const std::exception &caught) {
    problem = caught.what();
  }
  stop_all_if(problem);
  if (comm->me == 0) utils::logmesg(lmp, "pair lamplighter: {}\n", native->summary());
}

/* The first model, or all of a committee, each for itself. */

void PairLamplighter::open_bridged()
{
  const lamplighter_bridge &bridge = registered_bridge();
  if (!bridge.open) error->all(FLERR, universe->nworlds > 1 ? NO_PROCESS_OF_A_REPLICA : NO_PROCESS);
  const int count = (int) models.size();
  cutoff = 0.0;
  for (int k = 0; k < (committee->wanted() ? count : 1); k++) {
    const lamplighter_request request = make_request(k);
    Bridged opened{{-1, 0.0, LAMPLIGHTER_PAIRS, 0}, -1};
    const int failed = bridge.open(&request, &opened.model);
    if (!failed) bridged.push_back(opened);
    stop_all_if(failed ? bridge.message() : "");
    cutoff = std::max(cutoff, opened.model.cutoff);
  }
}

int PairLamplighter::models_open() const
{
  return native ? native->members() : (int) bridged.size();
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

  const int border = BorderGroup::of(comm);
  if (border && !neighbor->includegroup)
    error->all(FLERR,
               "pair_style lamplighter: 'comm_modify group {}' hides the other atoms' images from "
               "the model, and atoms near them would be wrong: leave it out, or add 'neigh_modify "
               "include {}', which takes the others out altogether",
               group->names[border], group->names[border]);

  named.hold_against_masses();
  require_virial();
  pairs_known = false;
  neighbor->add_request(this, NeighConst::REQ_FULL);

  if (committee->in_use() && !carry) {
    carry_id = fmt::format("LAMPLIGHTER_VARIANCE_{}", (void *) this);
    carry = dynamic_cast<FixCarry *>(modify->add_fix(carry_id + " all lamplighter/carry"));
  }
  if (!trial && FixTrial::is_wanted(lmp)) {
    trial_id = fmt::format("LAMPLIGHTER_TRIAL_{}", (void *) this);
    trial = dynamic_cast<FixTrial *>(modify->add_fix(trial_id + " all lamplighter/trial"));
  }
}

/* A barostat would move the box by a pressure that is not known. */

void PairLamplighter::require_virial() const
{
  for (size_t k = 0; k < bridged.size(); k++)
    if (bridged[k].model.lacks_virial)
      for (const Fix *fix : modify->get_fix_list())
        if ((fix->box_change & (Fix::BOX_CHANGE_SIZE | Fix::BOX_CHANGE_SHAPE)) &&
            !utils::strmatch(fix->style, "^deform"))
          error->all(FLERR,
                     "pair_style lamplighter: fix {} ({}) changes the box by the pressure, and {} "
                     "gives no stress: run at constant volume, or use a model that has it",
                     fix->id, fix->style, models[k]);
}

double PairLamplighter::init_one(int i, int j)
{
  if (setflag[i][j] == 0)
    error->all(FLERR, "pair_style lamplighter: pair_coeff is not set for types {} and {}", i, j);
  return cutoff;
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

int64_t PairLamplighter::build_pairs(double within, std::string &problem)
{
  double **x = atom->x;
  const double cutsq_model = within * within;
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

void PairLamplighter::describe_system(lamplighter_step &step)
{
  tags.resize(atom->nlocal);
  for (int i = 0; i < atom->nlocal; i++) tags[i] = atom->tag_enable ? atom->tag[i] : i;
  step.tag = tags.data();
  const double cell[9] = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                          0.0,          domain->xz, domain->yz, domain->zprd};
  memcpy(step.cell, cell, sizeof(cell));
  for (int d = 0; d < 3; d++) step.periodic[d] = domain->periodicity[d];
}

/* Neighbour lists are new, and with them ghosts. */

void PairLamplighter::see_new_lists()
{
  require_all_pairs();
  find_owners();
  lists_built++;
  pairs_known = true;
  listed.clear();
  if (!present.all())
    for (int ii = 0; ii < list->inum; ii++)
      if (present.has(list->ilist[ii])) listed.push_back(list->ilist[ii]);
}

/* A trial that puts atoms on top of each other is not to be accepted, and no fault. Collective. */

bool PairLamplighter::is_impossible_trial()
{
  if (!trial || !trial->is_trial()) return false;
  double **x = atom->x;
  int mine = 0, any = 0;
  for (int ii = 0; ii < list->inum && !mine; ii++) {
    const int i = list->ilist[ii];
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      if (present.has(i) && dx * dx + dy * dy + dz * dz < OVERLAP * OVERLAP) mine = 1;
    }
  }
  MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, world);
  return any != 0;
}

/* Every atom that is there has all of its neighbours in the list. */

void PairLamplighter::require_all_pairs()
{
  const std::string exclusion = present.find();
  if (!exclusion.empty())
    error->all(FLERR,
               "pair_style lamplighter: 'neigh_modify {}' hides some of their neighbours from "
               "atoms that are there, and in a model that counts all neighbours the energies and "
               "forces of others depend on these as well. Leave it out (it saves time with pair "
               "potentials; atoms are held by 'fix setforce 0 0 0', and rigid bodies by fix "
               "rigid), or take atoms out altogether: 'neigh_modify exclude group GROUP all'",
               exclusion);
  bool skipped = list->molskip != 0;
  for (int i = 1; i <= atom->ntypes && list->iskip; i++)
    for (int j = 1; j <= atom->ntypes; j++)
      skipped = skipped || list->iskip[i] || list->ijskip[i][j];
  if (skipped)
    error->all(
        FLERR,
        "pair_style lamplighter: the hybrid style gives some pairs of atoms to others of its "
        "styles alone (or to none), and the energy of an atom depends on all of its "
        "neighbours: use hybrid/overlay, with 'pair_coeff * *' for lamplighter");
}

/* Results are in the model's units, and are scaled on their way out: all members where their turn
   has come, else the driver alone. */

void PairLamplighter::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);

  if (neighbor->ago == 0 || !pairs_known) see_new_lists();
  if (is_impossible_trial()) {
    if (comm->me == 0) eng_vdwl += IMPOSSIBLE;
    return;
  }
  std::string problem;
  check_positions(problem);
  stop_all_if(problem);

  const bool all = committee->is_due();
  const int first = all ? 0 : committee->driver();
  const bool direct = energy_scale == 1.0 && !all;
  auto results = make_results(all ? models_open() : 1, direct);
  if (native)
    evaluate_native(results, first);
  else
    for (size_t k = 0; k < results.size(); k++) evaluate_bridged(bridged[first + k], results[k]);

  if (!all) {
    add_results(results[0], energy_scale, !direct);
    return;
  }
  std::vector<double> energies;
  for (const auto &result : results) energies.push_back(result.energy);
  double excess;
  const std::vector<double> weights = committee->weights(energies, excess);
  find_spread(results);
  for (size_t k = 0; k < results.size(); k++)
    if (weights[k] != 0.0) add_results(results[k], energy_scale * weights[k], true);
  if (eflag_global && comm->me == 0) eng_vdwl += energy_scale * excess;
  if (eflag_atom)
    for (int i = 0; i < atom->nlocal; i++)
      if (present.has(i)) eatom[i] += energy_scale * excess / (double) present.count();
}

/* Zeroed arrays for `count` models; `direct`: forces go to those of the atoms. */

std::vector<lamplighter::Results> PairLamplighter::make_results(int count, bool direct)
{
  const size_t nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  if (!direct) member_f.assign(3 * nall * count, 0.0);
  if (eflag_atom) member_eatoms.assign(nlocal * count, 0.0);
  if (vflag_atom) member_vatom.assign(6 * nall * count, 0.0);
  member_virial.assign((size_t) 6 * count, 0.0);
  std::vector<lamplighter::Results> results(count);
  for (int k = 0; k < count; k++) {
    results[k].energy = 0.0;
    results[k].f = direct ? (nall ? atom->f[0] : nullptr) : member_f.data() + 3 * nall * k;
    results[k].eatoms = eflag_atom ? member_eatoms.data() + nlocal * k : nullptr;
    results[k].virial = vflag_global ? &member_virial[(size_t) 6 * k] : nullptr;
    results[k].vatom = vflag_atom ? member_vatom.data() + 6 * nall * k : nullptr;
  }
  return results;
}

void PairLamplighter::add_results(const lamplighter::Results &from, double weight, bool with_forces)
{
  const int nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  if (with_forces)
    for (int i = 0; i < nall; i++)
      for (int d = 0; d < 3; d++) atom->f[i][d] += weight * from.f[3 * (size_t) i + d];
  if (eflag_global) eng_vdwl += weight * from.energy;
  if (eflag_atom)
    for (int i = 0; i < nlocal; i++) eatom[i] += weight * from.eatoms[i];
  if (vflag_global)
    for (int d = 0; d < 6; d++) virial[d] += weight * from.virial[d];
  if (vflag_atom)
    for (int i = 0; i < nall; i++)
      for (int d = 0; d < 6; d++) vatom[i][d] += weight * from.vatom[6 * (size_t) i + d];
}

void PairLamplighter::evaluate_native(std::vector<lamplighter::Results> &results, int first)
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
  atoms.nlist = present.all() ? list->inum : (int) listed.size();
  atoms.list = present.all() ? list->ilist : listed.data();
  atoms.nneighbours = list->numneigh;
  atoms.neighbours = list->firstneigh;
  atoms.neighbour_mask = NEIGHMASK;

  ExchangeThrough exchange(this, comm->nprocs > 1);
  const double began = platform::walltime();
  const auto overlap = native->compute(atoms, exchange, results.data(), (int) results.size(),
                                       first);
  native_seconds += platform::walltime() - began;
  native_evaluations++;
  stop_all_if(overlap.found ? overlap_of(overlap.i, overlap.j, overlap.distance) : "");
}

void PairLamplighter::evaluate_bridged(Bridged &bridged_model, lamplighter::Results &results)
{
  const lamplighter_model &model = bridged_model.model;
  const int nlocal = atom->nlocal;
  const int nall = nlocal + atom->nghost;
  std::string problem;
  int64_t npairs = 0;
  if (model.takes == LAMPLIGHTER_PAIRS) {
    npairs = build_pairs(model.cutoff, problem);
  } else if (model.takes == LAMPLIGHTER_LIST && bridged_model.list_seen != lists_built) {
    build_list();
  }
  stop_all_if(problem);
  if ((int) eatoms.size() < nlocal) eatoms.resize((size_t) (1.2 * nlocal) + 16);

  lamplighter_step step;
  memset(&step, 0, sizeof(step));
  step.nlocal = nlocal;
  step.ntotal = comm->nprocs > 1 ? nall : nlocal;
  step.rebuilt = bridged_model.list_seen != lists_built;
  step.peratom = results.vatom != nullptr;
  step.virial_wanted = results.virial || results.vatom;
  step.type = atom->type;
  step.absent = present.absent();
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
  step.f = results.f;
  double virial_here[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  step.virial = results.virial ? results.virial : virial_here;
  step.vatom = results.vatom;
  if (model.takes == LAMPLIGHTER_SYSTEM) describe_system(step);
  step.atom_capacity = (int64_t) eatoms.size();
  step.eatoms = eatoms.data();

  const lamplighter_bridge &bridge = registered_bridge();
  if (!bridge.compute)
    error->all(FLERR, universe->nworlds > 1 ? NO_PROCESS_OF_A_REPLICA : NO_PROCESS);
  if (bridge.compute(model.handle, &step)) {
    // The other ranks may be waiting for this one inside an exchange: only ending them all is safe.
    // The traceback is out already; mpirun gets a moment to pass it on, as an abort may cut it off.
    if (comm->nprocs > 1) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      MPI_Abort(world, 1);
    }
    error->all(FLERR, std::string(bridge.message()));
  }
  bridged_model.list_seen = lists_built;
  if (model.takes == LAMPLIGHTER_SYSTEM && results.virial && std::isnan(step.virial[0])) {
    // it seemed to have one
    bridged_model.model.lacks_virial = 1;
    require_virial();
  }

  if (model.takes == LAMPLIGHTER_PAIRS)
    for (int64_t n = 0; n < npairs; n++)
      lamplighter::add_pair_force(pair_i[n], pair_j[n], &rij[3 * n], &fij[3 * n], results);
  leave_out_absent(step.energy);
  results.energy += step.energy;
  if (results.eatoms)
    for (int i = 0; i < nlocal; i++) results.eatoms[i] += eatoms[i];
}

/* A model that takes pairs sees an absent atom as one that has no neighbours, which has an energy
   of its own. */

void PairLamplighter::leave_out_absent(double &energy)
{
  if (present.all()) return;
  energy = 0.0;
  for (int i = 0; i < atom->nlocal; i++) {
    if (!present.has(i)) eatoms[i] = 0.0;
    energy += eatoms[i];
  }
}

/* The members' forces, sent home from ghosts, and their variance. */

void PairLamplighter::find_spread(const std::vector<lamplighter::Results> &results)
{
  const int nall = atom->nlocal + atom->nghost;
  const int K = (int) results.size(), width = 3 * K;
  member_rows.resize((size_t) std::max(nall, 1) * width);
  for (int k = 0; k < K; k++)
    for (int i = 0; i < nall; i++)
      for (int d = 0; d < 3; d++)
        member_rows[(size_t) i * width + 3 * k + d] = results[k].f[3 * (size_t) i + d];
  reverse_exchange(member_rows.data(), member_rows.data(), width, sizeof(double));
  committee->find_spread(member_rows.data(), present, carry->values);
}

void *PairLamplighter::extract(const char *name, int &dim)
{
  dim = 0;
  return committee ? committee->extract(name) : nullptr;
}

/* The force variance of each atom at the last step at which the committee was evaluated. */

void *PairLamplighter::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  return carry && strcmp(name, "variance") == 0 ? carry->values : nullptr;
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
