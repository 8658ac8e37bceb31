// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_GUARD_EVIDENCE_H
#define LAMPLIGHTER_GUARD_EVIDENCE_H

#include "guard_criteria.h"
#include "numbers_of_pair.h"
#include "pointers.h"

#include <cstdio>
#include <deque>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class CommandWords;

/* What is left of a violation: a line in the log and in the file of events, the frames before and
   the failing one. docs/reference/fix_guard.md has the formats. */
class GuardEvidence : protected Pointers {
 public:
  /* `id` of the fix; `numbers`: the atomic number of each type, from 1, 0 where it is not known. */
  GuardEvidence(class LAMMPS *, const std::string &id, const std::vector<int> &numbers);

  /* Takes the values of `event`, `snapshot` or `before`; false: the keyword is none of these. */
  bool take_keyword(const std::string &key, CommandWords &);
  static std::string keywords() { return "event, snapshot or before"; }
  /* Ends the run where what was asked for does not fit together, or a file cannot be written.
     Collective. */
  void check_files(const std::string &list_file);

  void keep_frame();    // at the end of a step
  /* `cause`: what is known of it beyond the numbers, or nothing. Collective. */
  void report(const GuardCriteria &, int criterion, bool stops, const std::string &cause);
  double memory_usage() const;

 private:
  struct Frame {
    bigint step;
    double time;
    double box[9];    // three cell vectors
    double origin[3];
    bool has_variance, has_extrapolation;
    bigint variance_step, extrapolation_step;    // at which they were evaluated
    std::vector<double> atoms;    // of this rank: ID, type, x, f, variance, extrapolation
  };

  /* The atoms that violate a criterion: in pairs for bonds, worst first. */
  struct Offenders {
    std::vector<tagint> ids;
    std::vector<std::string> elements;
    std::vector<int> ranks;
    double reference_length;
  };

  std::string id_;
  const std::vector<int> &numbers_;
  NumbersOfPair pair_;
  std::string event_file_, snapshot_file_;
  int frames_before_, frames_every_;
  std::deque<Frame> frames_;

  Offenders find_offenders(const GuardCriteria &, int criterion) const;
  std::string message(const GuardCriteria &, int criterion, const Offenders &) const;
  std::string event(const GuardCriteria &, int criterion, const Offenders &, bool stops,
                    const std::string &cause) const;
  FILE *open(const std::string &name) const;
  double now() const;
  Frame take_frame() const;
  void write_snapshot(const std::vector<tagint> &marked);
  void write_frame(FILE *, const Frame &, const std::vector<tagint> &marked,
                   const char *note) const;
};

}    // namespace LAMMPS_NS

#endif
