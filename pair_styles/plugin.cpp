// SPDX-License-Identifier: GPL-2.0-or-later
//
// What LAMMPS calls when it opens the plugin: checks that this LAMMPS is the one that the plugin
// was compiled for, then registers the styles.

#include "lammpsplugin.h"

#include "built_for.h"    // written at build time
#include "library.h"
#include "lmptype.h"

#include "fix_carry.h"
#include "fix_guard.h"
#include "fix_trial.h"
#include "pair_committee.h"
#include "pair_lamplighter.h"

#include <cstdio>
#include <dlfcn.h>
#include <string>

using namespace LAMMPS_NS;

namespace {

// The first thing that differs between this LAMMPS and the one the plugin was compiled for, or
// nothing. Asks the C library only: where the answer is a difference, the members of LAMMPS'
// classes are not where the plugin would look for them.
std::string difference(void *lammps)
{
  const int number = lammps_version(lammps);
  if (number != LAMPLIGHTER_BUILT_FOR_NUMBER)
    return "it is compiled for LAMMPS version " + std::to_string(LAMPLIGHTER_BUILT_FOR_NUMBER) +
        " (" LAMPLIGHTER_BUILT_FOR_DATE "), and this is version " + std::to_string(number);

  struct {
    const char *name;
    int size;
  } const integers[] = {
      {"tagint", sizeof(tagint)}, {"imageint", sizeof(imageint)}, {"bigint", sizeof(bigint)}};
  for (const auto &integer : integers) {
    const int size = lammps_extract_setting(lammps, integer.name);
    if (size != integer.size)
      return std::string("it is compiled for a ") + integer.name + " of " +
          std::to_string(8 * integer.size) + " bits, and this LAMMPS has " +
          std::to_string(8 * size);
  }

  if (!lammps_config_has_mpi_support()) return "this LAMMPS is compiled without MPI";
  // a variable that only Open MPI has, whose communicators are of another type
  if (dlsym(RTLD_DEFAULT, "ompi_mpi_comm_world"))
    return "it is compiled for MPICH and its relatives, and this LAMMPS runs on Open MPI";
  return "";
}

void *pair_lamplighter(void *lammps)
{
  return static_cast<Pair *>(new PairLamplighter(static_cast<LAMMPS *>(lammps)));
}

void *pair_committee(void *lammps)
{
  return static_cast<Pair *>(new PairCommittee(static_cast<LAMMPS *>(lammps)));
}

// LAMMPS declares what creates a fix as (LAMMPS *, int, char **)
void *fix_guard(void *lammps, int narg, char **arg)
{
  return static_cast<Fix *>(new FixGuard(static_cast<LAMMPS *>(lammps), narg, arg));
}

void *fix_carry(void *lammps, int narg, char **arg)
{
  return static_cast<Fix *>(new FixCarry(static_cast<LAMMPS *>(lammps), narg, arg));
}

void *fix_trial(void *lammps, int narg, char **arg)
{
  return static_cast<Fix *>(new FixTrial(static_cast<LAMMPS *>(lammps), narg, arg));
}

}    // namespace

// What the plugin was compiled for; the same text as in lamplighterplugin.json.
extern "C" __attribute__((visibility("default"))) const char *lamplighter_fingerprint()
{
  return LAMPLIGHTER_BUILT_FOR_FINGERPRINT;
}

extern "C" void lammpsplugin_init(void *lammps, void *handle, void *register_plugin)
{
  const std::string problem = difference(lammps);
  if (!problem.empty()) {
    if (lammps_extract_setting(lammps, "world_rank") <= 0)
      fprintf(
          stderr,
          "lamplighter: the plugin is not loaded: %s; start LAMMPS through the `lmp` or the "
          "`import lammps` of the environment that Lamplighter is installed in, which compile the "
          "plugin for their LAMMPS\n",
          problem.c_str());
    return;
  }

  const auto register_style = reinterpret_cast<lammpsplugin_regfunc>(register_plugin);
  lammpsplugin_t style = {};
  style.version = LAMPLIGHTER_BUILT_FOR_DATE;
  style.author = "the Lamplighter developers";
  style.handle = handle;

  style.style = "pair";
  style.name = "lamplighter";
  style.info = "pair style lamplighter: machine-learned interatomic potentials";
  style.creator.v1 = pair_lamplighter;
  register_style(&style, lammps);

  style.name = "lamplighter/committee";
  style.info = "pair style lamplighter/committee: how far several pair styles disagree";
  style.creator.v1 = pair_committee;
  register_style(&style, lammps);

  style.style = "fix";
  style.name = "guard";
  style.info = "fix guard: stops a run at the step at which it ceases to be physical";
  style.creator.v2 = fix_guard;
  register_style(&style, lammps);

  style.name = "lamplighter/carry";
  style.info = "fix lamplighter/carry: per-atom numbers of other styles";
  style.creator.v2 = fix_carry;
  register_style(&style, lammps);

  style.name = "lamplighter/trial";
  style.info = "fix lamplighter/trial: whether a configuration is a trial of another fix";
  style.creator.v2 = fix_trial;
  register_style(&style, lammps);
}
