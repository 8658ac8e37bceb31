// SPDX-License-Identifier: GPL-2.0-or-later

#include "committee.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

namespace {
constexpr int NGLOBAL =
    9;    // numbers before those of the atom types, which those of the members follow
}    // namespace

Committee::Committee(LAMMPS *lmp, const std::string &style) :
    Pointers(lmp), style_(style), every_(0), driver_(0), drive_(Drive::ONE), unbiased_(false),
    tau_(0.0), cap_(0.0), warmup_(0), warmup_from_(-1), evaluated_step_(-1), mean_energy_(0.0),
    energy_deviation_(0.0), bias_(0.0), found_{0.0, 0.0, 0.0, -1.0}, numbers_(nullptr)
{
}

Committee::~Committee()
{
  delete[] numbers_;
}

int Committee::take_keyword(int narg, char **arg, int iarg)
{
  const std::string key = arg[iarg];
  if (key != "committee" && key != "drive" && key != "divisor") return 0;
  if (iarg + 1 >= narg) error->all(FLERR, "{}: keyword '{}' lacks its value", style_, key);
  const std::string value = arg[iarg + 1];
  if (key == "drive") return take_drive(narg, arg, iarg);
  if (key == "divisor") {
    if (value != "K" && value != "K-1")
      error->all(FLERR, "{}: divisor must be K or K-1, got '{}'", style_, value);
    unbiased_ = value == "K-1";
    return 2;
  }
  if (value != "every" || iarg + 2 >= narg)
    error->all(FLERR, "{}: expected 'committee every N'", style_);
  every_ = utils::inumeric(FLERR, arg[iarg + 2], false, lmp);
  if (every_ < 1)
    error->all(FLERR, "{}: 'committee every N' needs N >= 1 steps, got {}", style_, every_);
  return 3;
}

int Committee::take_drive(int narg, char **arg, int iarg)
{
  const std::string value = arg[iarg + 1];
  if (value != "hal") {
    drive_ = value == "mean" ? Drive::MEAN : Drive::ONE;
    driver_ = value == "first" || value == "mean"
        ? 0
        : utils::inumeric(FLERR, arg[iarg + 1], false, lmp) - 1;
    if (driver_ < 0)
      error->all(FLERR,
                 "{}: drive must be first, mean, hal or the number of a model from 1 on, got '{}'",
                 style_, value);
    return 2;
  }
  drive_ = Drive::HAL;
  const auto number = [&](int at, const char *what) {
    if (at >= narg) error->all(FLERR, "{}: 'drive hal' lacks {}", style_, what);
    return utils::numeric(FLERR, arg[at], false, lmp);
  };
  const auto steps = [&](int at, const char *what) {
    if (at >= narg) error->all(FLERR, "{}: 'drive hal' lacks {}", style_, what);
    const bigint n = utils::bnumeric(FLERR, arg[at], false, lmp);
    if (n < 0) error->all(FLERR, "{}: 'drive hal' needs {} >= 0, got {}", style_, what, n);
    return n;
  };
  tau_ = number(iarg + 2, "TAU");
  if (tau_ < 0.0) error->all(FLERR, "{}: 'drive hal TAU' needs TAU >= 0, got {}", style_, tau_);
  int at = iarg + 3;
  for (;;) {
    if (at < narg && strcmp(arg[at], "warmup") == 0) {
      warmup_ = steps(at + 1, "the steps of warmup");
      at += 2;
      if (at < narg && strcmp(arg[at], "from") == 0) {
        warmup_from_ = steps(at + 1, "the step of warmup's 'from'");
        at += 2;
      }
    } else if (at < narg && strcmp(arg[at], "cap") == 0) {
      cap_ = number(at + 1, "the energy of cap");
      if (cap_ <= 0.0)
        error->all(FLERR, "{}: 'drive hal … cap C' needs C > 0 eV, got {}", style_, cap_);
      at += 2;
    } else {
      return at - iarg;
    }
  }
}

void Committee::check_keywords()
{
  if (!every_ && (drive_ != Drive::ONE || driver_ || unbiased_))
    error->all(FLERR, "{}: drive and divisor are of a committee: give 'committee every N', too",
               style_);
}

void Committee::set_up(int nmembers, const std::string &first_model)
{
  delete[] numbers_;
  numbers_ = nullptr;
  evaluated_step_ = -1;
  found_ = {0.0, 0.0, 0.0, -1.0};
  if (!every_) return;
  if (nmembers < 2)
    error->all(
        FLERR,
        "{}: a committee needs two models or more, and {} is alone: name several model files "
        "in pair_coeff, or a .lamp file that was compiled from several",
        style_, first_model);
  if (driver_ >= nmembers)
    error->all(FLERR, "{}: 'drive {}' asks for a model beyond the {} there are", style_,
               driver_ + 1, nmembers);
  found_.members = nmembers;
  numbers_ = new double[nnumbers()];
  std::fill(numbers_, numbers_ + nnumbers(), 0.0);
}

int Committee::nnumbers() const
{
  return NGLOBAL + atom->ntypes + (int) found_.members;
}

/* Also at the start of each run, so that what is reported belongs to it. */

bool Committee::is_due() const
{
  return in_use() &&
      (drive_ != Drive::ONE || update->ntimestep % every_ == 0 || update->setupflag ||
       evaluated_step_ < 0);
}

double Committee::divisor() const
{
  return unbiased_ ? found_.members - 1.0 : found_.members;
}

double Committee::present_tau()
{
  if (!warmup_) return tau_;
  if (warmup_from_ < 0) warmup_from_ = update->ntimestep;
  const double done = (double) (update->ntimestep - warmup_from_) / (double) warmup_;
  return tau_ * std::min(std::max(done, 0.0), 1.0);
}

/* Hyper-active learning drives on E = mean - b(sigma), sigma^2 = 1/D sum over k of (E_k - mean)^2
   (D = K or K - 1) and b = tau sigma, or C tanh(tau sigma / C) with a cap. As d sigma / dE_k =
   (E_k - mean) / (D sigma), forces are those of the members with the weights 1/K - b'(sigma)
   (E_k - mean) / (D sigma), whose sum is 1. */

std::vector<double> Committee::weights(const std::vector<double> &local_energies, double &excess)
{
  const int K = (int) local_energies.size();
  std::vector<double> energies(K), w(K, 1.0 / K);
  MPI_Allreduce(local_energies.data(), energies.data(), K, MPI_DOUBLE, MPI_SUM, world);
  double mean = 0.0, sum = 0.0;
  for (const double energy : energies) mean += energy / K;
  for (const double energy : energies) sum += (energy - mean) * (energy - mean);
  const double sigma = std::sqrt(sum / divisor());
  mean_energy_ = mean;
  energy_deviation_ = sigma;
  energies_ = energies;
  bias_ = excess = 0.0;

  if (drive_ == Drive::ONE) {
    std::fill(w.begin(), w.end(), 0.0);
    w[driver_] = 1.0;
  } else if (drive_ == Drive::HAL && sigma > 0.0) {
    const double tau = present_tau();
    const double x = cap_ > 0.0 ? std::tanh(tau * sigma / cap_) : 0.0;
    bias_ = cap_ > 0.0 ? cap_ * x : tau * sigma;
    const double slope = tau * (1.0 - x * x);
    for (int k = 0; k < K; k++) w[k] -= slope * (energies[k] - mean) / (divisor() * sigma);
    // total energies are large, so that the last digits of the weights would count
    excess = mean - bias_;
    for (int k = 0; k < K; k++) excess -= w[k] * energies[k];
  }
  return w;
}

/* sigma_i^2 = 1/D sum over k of |F_i^k - mean F_i|^2. */

void Committee::find_spread(const double *forces, const PresentAtoms &present, double *variance)
{
  const int nlocal = atom->nlocal, K = members(), ntypes = atom->ntypes;
  // the largest of all, of each type, and of minus the variance
  std::vector<double> largest(ntypes + 2, 0.0), all_largest(ntypes + 2, 0.0);
  largest[ntypes + 1] = -1e300;
  double sum = 0.0, total = 0.0;
  for (int i = 0; i < nlocal; i++) {
    variance[i] = 0.0;
    if (!present.has(i)) continue;
    const double *row = forces + (size_t) i * 3 * K;
    double value = 0.0;
    for (int d = 0; d < 3; d++) {
      double mean = 0.0;
      for (int k = 0; k < K; k++) mean += row[3 * k + d];
      mean /= K;
      for (int k = 0; k < K; k++) value += (row[3 * k + d] - mean) * (row[3 * k + d] - mean);
    }
    value /= divisor();
    variance[i] = value;
    double &of_type = largest[atom->type[i]];
    of_type = std::max(of_type, value);
    largest[0] = std::max(largest[0], value);
    largest[ntypes + 1] = std::max(largest[ntypes + 1], -value);
    sum += value;
  }
  MPI_Allreduce(largest.data(), all_largest.data(), ntypes + 2, MPI_DOUBLE, MPI_MAX, world);
  MPI_Allreduce(&sum, &total, 1, MPI_DOUBLE, MPI_SUM, world);
  found_.variance_max = all_largest[0];
  found_.deviation_max = std::sqrt(found_.variance_max);
  evaluated_step_ = update->ntimestep;
  found_.step = (double) evaluated_step_;
  // compute pair adds up what ranks have
  if (comm->me != 0) return;
  const double natoms = std::max<double>((double) present.count(), 1.0);
  numbers_[0] = found_.variance_max;
  numbers_[1] = total / natoms;
  numbers_[2] = present.count() ? -all_largest[ntypes + 1] : 0.0;
  numbers_[3] = found_.deviation_max;
  numbers_[4] = energy_deviation_;
  numbers_[5] = energy_deviation_ / natoms;
  numbers_[6] = (double) evaluated_step_;
  numbers_[7] = K;
  numbers_[8] = bias_;
  for (int itype = 1; itype <= ntypes; itype++) numbers_[NGLOBAL - 1 + itype] = all_largest[itype];
  std::copy(energies_.begin(), energies_.end(), numbers_ + NGLOBAL + ntypes);
}

/* Numbers that other styles ask for: fix guard, and any that know their names. */

void *Committee::extract(const char *name)
{
  if (!in_use()) return nullptr;
  if (strcmp(name, "committee") == 0) return &found_.members;
  if (strcmp(name, "committee_variance_max") == 0) return &found_.variance_max;
  if (strcmp(name, "committee_deviation_max") == 0) return &found_.deviation_max;
  if (strcmp(name, "committee_step") == 0) return &found_.step;
  return nullptr;
}
