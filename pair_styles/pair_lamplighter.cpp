// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_lamplighter.h"

#include "broken_structure.h"
#include "file_name.h"
#include "native/open_model.h"
#include "stop_all.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "platform.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

namespace {

/* One rank folds ghosts onto their atoms and has nothing to exchange; several send features for the
   atoms of others. */
class ExchangeThrough : public lamplighter::Exchange {
 public:
  ExchangeThrough(RemoteAtoms &remote, bool needed) : remote_(remote), needed_(needed) {}
  void forward(void *rows, int width, int size) override
  {
    if (needed_) remote_.forward(rows, width, size);
  }
  void reverse(void *rows, int width, int size) override
  {
    if (needed_) remote_.reverse(rows, width, size);
  }

 private:
  RemoteAtoms &remote_;
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
    PairOfMembers(lmp), bridged_(lmp, exchange_), cutoff_(0.0), energy_scale_(1.0),
    lists_seen_(false), remote_(lmp), named_(lmp, "pair_coeff of pair_style lamplighter")
{
  one_coeff = 1;
  manybody_flag = 1;
  unit_convert_flag = utils::get_supported_conversions(utils::ENERGY);
}

void PairLamplighter::close_models()
{
  bridged_.close();
  native_.reset();
}

/* pair_style lamplighter [dtype D] [device D] [kind K] [engine E] [head H] [tf32 yes|no]
   [extrapolation every N [from FILE]] [keywords of a committee] */

void PairLamplighter::settings(int narg, char **arg)
{
  requested_ = RequestedModels();
  requested_.tf32 = false;
  requested_.dtype = requested_.device = requested_.kind = requested_.engine = "auto";
  committee_ = std::make_unique<Committee>(lmp, "pair_style lamplighter");
  extrapolation_ = std::make_unique<Extrapolation>(lmp, "pair_style lamplighter");
  int iarg = 0;
  while (iarg < narg) {
    int taken = committee_->take_keyword(narg, arg, iarg);
    if (!taken) taken = extrapolation_->take_keyword(narg, arg, iarg);
    if (taken) {
      iarg += taken;
      continue;
    }
    const std::string key = arg[iarg];
    if (key != "dtype" && key != "device" && key != "kind" && key != "engine" && key != "head" &&
        key != "tf32")
      error->all(FLERR,
                 "Unknown keyword '{}' in pair_style lamplighter: expected dtype, device, kind, "
                 "engine, head, tf32, extrapolation, {}",
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
      requested_.dtype = value;
    } else if (key == "device") {
      const bool numbered = value.compare(0, 5, "cuda:") == 0 && value.size() > 5 &&
          value.find_first_not_of("0123456789", 5) == std::string::npos;
      if (value != "auto" && value != "cpu" && value != "cuda" && !numbered)
        error->all(FLERR,
                   "pair_style lamplighter: device must be auto, cpu, cuda or cuda:K, got '{}'",
                   value);
      requested_.device = value;
    } else if (key == "engine") {
      if (value != "auto" && value != "native" && value != "torch-fast" && value != "symmetrix" &&
          value != "bridge")
        error->all(FLERR,
                   "pair_style lamplighter: engine must be auto, native, torch-fast, symmetrix or "
                   "bridge, got '{}'",
                   value);
      requested_.engine = value;
    } else if (key == "head") {
      requested_.head = value;
    } else if (key == "tf32") {
      requested_.tf32 = utils::logical(FLERR, value, false, lmp) == 1;
    } else {
      requested_.kind = value;
    }
  }
  committee_->check_keywords();
  requested_.committee = committee_->wanted();
  requested_.training_set = extrapolation_->training_set();
  // named again, a pair style is the same object: its models were opened for other words
  close_models();
  if (allocated)
    for (int i = 1; i <= atom->ntypes; i++)
      for (int j = i; j <= atom->ntypes; j++) setflag[i][j] = 0;
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

  std::vector<std::string> &files = requested_.files;
  files.clear();
  for (int k = 0; k < nmodels; k++) files.push_back(lamplighter::file_named_by(arg[2 + k]));
  require_whole_names(std::vector<std::string>(arg + 2, arg + 2 + nmodels));
  requested_.elements_of_types.assign(arg + 2 + nmodels, arg + narg);
  for (int itype = 1; itype <= ntypes; itype++)
    if (requested_.elements_of_types[itype - 1] == "NULL")
      error->all(FLERR,
                 "pair_coeff of pair_style lamplighter: type {} is NULL, but the energy of an atom "
                 "depends on all of its neighbours, so no type can be left out: name its element, "
                 "or delete these atoms",
                 itype);
  named_.set(requested_.elements_of_types);

  close_models();
  const std::string compiled = compiled_model();
  if (!compiled.empty() && requested_.tf32)
    error->all(FLERR,
               "pair_style lamplighter: 'tf32 yes' is of models that a GPU evaluates, and the "
               "native engine evaluates {} on the CPU: leave it out, or ask for 'device cuda'",
               files[0]);
  if (!compiled.empty()) {
    open_native(compiled);
  } else {
    bridged_.open(requested_);
    cutoff_ = bridged_.cutoff();
  }
  set_up_committee(models_open(), files[0]);
  require_training_set();
  set_up_numbers();

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
  stop_all_if(lmp, problem);
}

/* The file that the native engine is to read, or nothing where the bridge is to evaluate the model.
 */

std::string PairLamplighter::compiled_model()
{
  const std::string &engine = requested_.engine, &device = requested_.device;
  const std::string &head = requested_.head;
  const std::vector<std::string> &models = requested_.files;
  const bool compiled = ends_with(models[0], ".lamp");
  if (engine == "torch-fast") return "";    // the process reads compiled models, too
  if (engine == "bridge" || engine == "symmetrix") {
    if (compiled)
      error->all(FLERR,
                 "pair_style lamplighter: {} is a compiled model, which only the native engine "
                 "evaluates, or torch-fast: leave out 'engine {}', or name the model that it was "
                 "made from",
                 models[0], engine);
    return "";
  }
  const bool gpu = device.compare(0, 4, "cuda") == 0;
  if (gpu && (compiled || engine == "native"))
    error->all(FLERR,
               "pair_style lamplighter: the native engine runs on CPUs, and 'device {}' asks for a "
               "GPU: use 'engine torch-fast', or the model file itself with 'engine bridge'",
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
  const bool must = engine == "native";
  return must || (!gpu && BridgedModels::can_compile()) ? bridged_.compile(requested_, must) : "";
}

/* The models of a compiled file. */

void PairLamplighter::open_native(const std::string &file)
{
  std::string problem;
  try {
    native_ = lamplighter::open_model(file, requested_.elements_of_types, requested_.dtype,
                                      requested_.training_set);
    cutoff_ = native_->cutoff();
  } catch (const std::exception &caught) {
    problem = caught.what();
  }
  stop_all_if(lmp, problem);
  if (comm->me == 0) utils::logmesg(lmp, "pair lamplighter: {}\n", native_->summary());
}

int PairLamplighter::models_open() const
{
  return native_ ? native_->members() : bridged_.count();
}

/* As the user knows it: a compiled file may hold several. */

std::string PairLamplighter::name_of(int model) const
{
  if (!native_) return bridged_.file(model);
  const int members = native_->members();
  if (members == 1 || (int) requested_.files.size() == members) return requested_.files[model];
  return fmt::format("{} of {} in {}", model + 1, members, requested_.files[0]);
}

/* The statistics are those of the first model: it has to be one of those that are evaluated. */

void PairLamplighter::require_training_set()
{
  if (!extrapolation_->wanted()) return;
  const std::string &model = requested_.files[0];
  if (native_ && !native_->uncertainty_problem.empty())
    error->all(FLERR, "pair_style lamplighter: {}", native_->uncertainty_problem);
  if (native_ ? !native_->uncertainty : requested_.training_set.empty())
    error->all(
        FLERR,
        "pair_style lamplighter: 'extrapolation' needs to know the training set, and {} "
        "says nothing of its own: compile it with its training set, 'lamplighter compile "
        "MODEL --training TRAIN.xyz -o MODEL.lamp', and name that file in pair_coeff; or, of "
        "a model that the native engine does not cover, make a file of statistics, '-o "
        "MODEL.training', and say 'extrapolation every N from MODEL.training'",
        model);
  if (committee_->in_use() && committee_->driver() != 0)
    error->all(
        FLERR,
        "pair_style lamplighter: 'extrapolation' is of the first model of a file, and "
        "with 'drive {}' another one moves the atoms: leave out one of the two, or compile the "
        "file with that model first",
        committee_->driver() + 1);
}

/* compute pair shows the numbers of a committee, and after these those of the extrapolation. */

void PairLamplighter::set_up_numbers()
{
  extrapolation_->forget();
  if (!extrapolation_->wanted()) return;
  const int of_committee = committee_->in_use() ? committee_->nnumbers() : 0;
  numbers_.assign(of_committee + extrapolation_->numbers().size(), 0.0);
  pvector = numbers_.data();
  nextra = (int) numbers_.size();
}

void PairLamplighter::hand_out_numbers()
{
  if (!extrapolation_->wanted()) return;
  const auto &own = extrapolation_->numbers();
  if (committee_->in_use())
    std::copy(committee_->numbers(), committee_->numbers() + committee_->nnumbers(),
              numbers_.begin());
  std::copy(own.begin(), own.end(), numbers_.end() - (ptrdiff_t) own.size());
}

void *PairLamplighter::extract(const char *name, int &dim)
{
  dim = 0;
  void *own = extrapolation_ ? extrapolation_->extract(name) : nullptr;
  return own ? own : PairOfMembers::extract(name, dim);
}

void *PairLamplighter::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  if (extrapolation_ && strcmp(name, "extrapolation") == 0) return extrapolation_->of_atoms();
  return PairOfMembers::extract_peratom(name, ncol);
}

void PairLamplighter::init_style()
{
  if (strcmp(update->unit_style, "metal") == 0)
    energy_scale_ = 1.0;
  else if (strcmp(update->unit_style, "real") == 0)
    energy_scale_ = utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
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

  named_.hold_against_masses();
  bridged_.require_virial();
  lists_seen_ = false;
  neighbor->add_request(this, NeighConst::REQ_FULL);

  prepare_fixes();
  extrapolation_->carry_values();
}

double PairLamplighter::init_one(int i, int j)
{
  if (setflag[i][j] == 0)
    error->all(FLERR, "pair_style lamplighter: pair_coeff is not set for types {} and {}", i, j);
  return cutoff_;
}

/* With one rank every ghost is an image of a local atom: learn of which. */

void PairLamplighter::find_owners()
{
  const int nall = atom->nlocal + atom->nghost;
  owner_.resize(nall);
  for (int i = 0; i < nall; i++) owner_[i] = i;
  if (comm->nprocs == 1) exchange_.forward(owner_.data(), owner_.data(), 1, sizeof(int));
}

/* Neighbour lists are new, and with them ghosts. */

void PairLamplighter::see_new_lists()
{
  require_all_pairs();
  find_owners();
  if (native_ && comm->nprocs > 1) remote_.find(exchange_);
  bridged_.see_new_lists();
  lists_seen_ = true;
  listed_.clear();
  if (!present_.all())
    for (int ii = 0; ii < list->inum; ii++)
      if (present_.has(list->ilist[ii])) listed_.push_back(list->ilist[ii]);
}

/* Whether atoms are so close that no model is to be asked. Collective. */

bool PairLamplighter::atoms_overlap()
{
  double **x = atom->x;
  int mine = 0, any = 0;
  for (int ii = 0; ii < list->inum && !mine; ii++) {
    const int i = list->ilist[ii];
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      if (present_.has(i) && dx * dx + dy * dy + dz * dz < OVERLAP * OVERLAP) mine = 1;
    }
  }
  MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, world);
  return any != 0;
}

/* Every atom that is there has all of its neighbours in the list. */

void PairLamplighter::require_all_pairs()
{
  const std::string exclusion = present_.find();
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

  if (neighbor->ago == 0 || !lists_seen_) see_new_lists();
  const bool trial = is_trial();
  if (trial && atoms_overlap()) {    // it is not to be accepted, and no fault
    make_impossible();
    return;
  }
  stop_all_if(lmp, position_that_is_no_number(lmp));

  const bool all = all_are_due();
  const int first = all ? 0 : committee_->driver();
  // under hybrid/overlay they hold what other styles gave, which is not the model's
  const bool direct = energy_scale_ == 1.0 && !all && !trial && force->pair == this;
  auto results = make_results(all ? models_open() : 1, direct);
  const bool uncertain = !trial && extrapolation_->is_due();
  lamplighter::OwnUncertainty *const own = native_ ? native_->uncertainty.get() : nullptr;
  double *const room = uncertain ? extrapolation_->room(own ? own->width() : 1) : nullptr;
  if (own) results[0].readout_inputs = room;
  std::string overlap;
  bridged_.see_new_positions();
  if (native_)
    overlap = evaluate_native(results, first);
  else
    for (size_t k = 0; k < results.size(); k++)
      bridged_.evaluate(first + (int) k, *list, present_, owner_, results[k],
                        k == 0 ? room : nullptr);
  const auto name = [&](int k) { return name_of(first + k); };
  if (!may_be_added(answers_of(results, first), name, overlap)) return;
  if (uncertain) extrapolation_->find(own, count_listed(), listed());

  if (!all) {
    add_results(results[0], energy_scale_, !direct);
    hand_out_numbers();
    return;
  }
  std::vector<double> energies;
  std::vector<const double *> forces;
  for (const auto &result : results) {
    energies.push_back(result.energy);
    forces.push_back(result.f);
  }
  double excess;
  const std::vector<double> weights = committee_->weights(energies, excess);
  find_spread(forces);
  for (size_t k = 0; k < results.size(); k++)
    if (weights[k] != 0.0) add_results(results[k], energy_scale_ * weights[k], true);
  add_excess(energy_scale_ * excess);
  hand_out_numbers();
}

/* Zeroed arrays for `count` models; `direct`: forces go to those of the atoms. */

std::vector<lamplighter::Results> PairLamplighter::make_results(int count, bool direct)
{
  const size_t nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  if (!direct) member_f_.assign(3 * nall * count, 0.0);
  if (eflag_atom) member_eatoms_.assign(nlocal * count, 0.0);
  if (vflag_atom) member_vatom_.assign(6 * nall * count, 0.0);
  member_virial_.assign((size_t) 6 * count, 0.0);
  std::vector<lamplighter::Results> results(count);
  for (int k = 0; k < count; k++) {
    results[k].energy = 0.0;
    results[k].f = direct ? (nall ? atom->f[0] : nullptr) : member_f_.data() + 3 * nall * k;
    results[k].eatoms = eflag_atom ? member_eatoms_.data() + nlocal * k : nullptr;
    results[k].virial = vflag_global ? &member_virial_[(size_t) 6 * k] : nullptr;
    results[k].vatom = vflag_atom ? member_vatom_.data() + 6 * nall * k : nullptr;
  }
  return results;
}

std::vector<Answer> PairLamplighter::answers_of(const std::vector<lamplighter::Results> &results,
                                                int first) const
{
  std::vector<Answer> answers;
  for (const auto &result : results) {
    const bool without_virial = !native_ && bridged_.lacks_virial(first + (int) answers.size());
    answers.push_back({result.energy, result.f, without_virial ? nullptr : result.virial});
  }
  return answers;
}

/* Adds what a model says to what LAMMPS asks for; forces may be where they belong already. */

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

/* The local atoms that are evaluated. */

int PairLamplighter::count_listed() const
{
  return present_.all() ? list->inum : (int) listed_.size();
}

const int *PairLamplighter::listed() const
{
  return present_.all() ? list->ilist : listed_.data();
}

/* Returns a message where atoms of this rank overlap, and nothing else. */

std::string PairLamplighter::evaluate_native(std::vector<lamplighter::Results> &results, int first)
{
  const int nlocal = atom->nlocal;
  const int nall = nlocal + atom->nghost;
  // an atom's neighbours are ghosts of this rank: without atoms there are none
  lamplighter::Atoms atoms;
  atoms.nlocal = nlocal;
  const bool several = comm->nprocs > 1;
  atoms.nfeatures = several ? remote_.rows() : nlocal;
  atoms.x = nall ? atom->x[0] : nullptr;
  atoms.type = atom->type;
  atoms.feature_row = several ? remote_.row_of() : owner_.data();
  atoms.nlist = count_listed();
  atoms.list = listed();
  atoms.nneighbours = list->numneigh;
  atoms.neighbours = list->firstneigh;
  atoms.neighbour_mask = NEIGHMASK;

  ExchangeThrough exchange(remote_, several);
  const double began = platform::walltime();
  const auto overlap = native_->compute(atoms, exchange, results.data(), (int) results.size(),
                                        first);
  native_seconds += platform::walltime() - began;
  native_evaluations++;
  return overlap.found ? overlap_of(lmp, overlap.i, overlap.j, overlap.distance) : "";
}

double PairLamplighter::memory_usage()
{
  double bytes = PairOfMembers::memory_usage() + bridged_.memory();
  bytes += (double) owner_.capacity() * sizeof(int) + remote_.memory();
  if (native_) bytes += native_->memory();
  return bytes;
}
