// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPLIGHTER_FILE_NAME_H
#define LAMPLIGHTER_FILE_NAME_H

#include <string>

namespace lamplighter {

/* The file that a word of an input script names. LAMMPS drops bytes of UTF-8 from its input,
   expands
   `$` and ends words at quotes, so a name may also come as `file:` and its bytes, those that LAMMPS
   would change as `%` and two hexadecimal digits (RFC 3986, RFC 8089):
   file:/home/M%C3%BCller/x.lamp. Other words are the name itself. */

std::string file_named_by(const std::string &word);

}    // namespace lamplighter

#endif
