// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_BRIDGE_REGISTRY_H
#define LAMPLIGHTER_BRIDGE_REGISTRY_H

#include "bridge.h"

namespace LAMMPS_NS {

/* The functions that evaluate models in this process; all null while none is registered. */
const lamplighter_bridge &registered_bridge();

}    // namespace LAMMPS_NS

#endif
