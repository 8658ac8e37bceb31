// SPDX-License-Identifier: GPL-2.0-or-later

#include "file_name.h"

namespace {

int value_of(char digit)
{
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}    // namespace

std::string lamplighter::file_named_by(const std::string &word)
{
  if (word.compare(0, 5, "file:") != 0) return word;
  size_t place = word.compare(5, 3, "///") == 0 ? 7 : 5;
  std::string name;
  for (; place < word.size(); place++) {
    if (word[place] == '%' && place + 2 < word.size()) {
      const int high = value_of(word[place + 1]), low = value_of(word[place + 2]);
      if (high >= 0 && low >= 0) {
        name += (char) (16 * high + low);
        place += 2;
        continue;
      }
    }
    name += word[place];
  }
  return name;
}
