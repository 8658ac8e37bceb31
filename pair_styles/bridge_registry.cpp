// SPDX-License-Identifier: GPL-2.0-or-later

#include "bridge_registry.h"

using namespace LAMMPS_NS;

namespace {
const lamplighter_bridge NOTHING = {0, nullptr, nullptr, nullptr, nullptr, nullptr};
lamplighter_bridge registered = NOTHING;
}    // namespace

const lamplighter_bridge &LAMMPS_NS::registered_bridge()
{
  return registered;
}

/* Called by the process that evaluates models. */

extern "C" int lamplighter_set_bridge(const lamplighter_bridge *given)
{
  if (!given) {
    registered = NOTHING;
    return 0;
  }
  if (given->version != LAMPLIGHTER_BRIDGE_VERSION) return 1;
  registered = *given;
  return 0;
}
