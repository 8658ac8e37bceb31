// SPDX-License-Identifier: GPL-2.0-or-later
// The exported functions of bridge.h: what the process that evaluates models calls.

#include "bridge_registry.h"

#include "pair_lamplighter.h"

using namespace LAMMPS_NS;

namespace {
const lamplighter_bridge NOTHING = {0, nullptr, nullptr, nullptr, nullptr, nullptr};
lamplighter_bridge registered = NOTHING;
}    // namespace

const lamplighter_bridge &LAMMPS_NS::registered_bridge()
{
  return registered;
}

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

extern "C" int lamplighter_forward_exchange(void *pair, const void *in, void *out, int32_t width,
                                            int32_t element_size)
{
  try {
    static_cast<PairLamplighter *>(pair)->forward_exchange(in, out, width, element_size);
  } catch (...) {
    return 1;
  }
  return 0;
}

extern "C" int lamplighter_reverse_exchange(void *pair, const void *in, void *out, int32_t width,
                                            int32_t element_size)
{
  try {
    static_cast<PairLamplighter *>(pair)->reverse_exchange(in, out, width, element_size);
  } catch (...) {
    return 1;
  }
  return 0;
}
