// SPDX-License-Identifier: GPL-2.0-or-later

#include "guard_evidence.h"

#include "command_words.h"
#include "elements.h"
#include "gather_all.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

namespace {

constexpr int ATOM_NUMBERS = 10;    // of one atom in a frame

/* A number as JSON has it. */
std::string number(double value)
{
  return std::isfinite(value) ? fmt::format("{:.12g}", value) : std::string("null");
}

/* A text as JSON has it. Line breaks in names of files become question marks. */
std::string text(const std::string &plain)
{
  std::string written = "\"";
  for (const char c : plain) {
    const auto byte = (unsigned char) c;
    if (c == '"' || c == '\\')
      written += std::string("\\") + c;
    else
      written += byte < 32 || byte == 127 ? '?' : c;
  }
  return written + "\"";
}

/* Texts of all values of a vector, for a list of JSON. */
template <class T, class Text> std::string join(const std::vector<T> &values, Text text_of)
{
  std::string joined;
  for (const T &value : values) joined += (joined.empty() ? "" : ", ") + text_of(value);
  return joined;
}

}    // namespace

GuardEvidence::GuardEvidence(LAMMPS *lmp, const std::string &id, const std::vector<int> &numbers) :
    Pointers(lmp), id_(id), numbers_(numbers), pair_(lmp), frames_before_(0), frames_every_(1)
{
}

bool GuardEvidence::take_keyword(const std::string &key, CommandWords &words)
{
  if (key == "event") {
    event_file_ = words.value_of(key);
  } else if (key == "snapshot") {
    snapshot_file_ = words.value_of(key);
  } else if (key == "before") {
    frames_before_ = (int) words.number_of(key);
    if (words.value_of(key) != "every") error->all(FLERR, "fix guard: expected 'before K every M'");
    frames_every_ = (int) words.number_of("before ... every");
    if (frames_before_ < 0 || frames_every_ < 1)
      error->all(FLERR, "fix guard: 'before K every M' needs K >= 0 frames and M >= 1 steps");
  } else {
    return false;
  }
  return true;
}

/* A file that cannot be written is found now, not at the failure. */

void GuardEvidence::check_files(const std::string &list_file)
{
  if (frames_before_ && snapshot_file_.empty())
    error->all(FLERR, "fix guard: 'before' keeps frames for 'snapshot FILE', which is missing");
  for (const std::string &name : {event_file_, snapshot_file_, list_file}) {
    if (name.empty()) continue;
    int failed = 0;
    if (comm->me == 0) {
      FILE *file = fopen(name.c_str(), "a");
      failed = file == nullptr;
      if (file) fclose(file);
    }
    MPI_Bcast(&failed, 1, MPI_INT, 0, world);
    if (failed) error->all(FLERR, "fix guard: the file {} cannot be written", name);
  }
}

FILE *GuardEvidence::open(const std::string &name) const
{
  FILE *file = fopen(name.c_str(), "a");
  if (!file) error->one(FLERR, "fix guard: the file {} cannot be written", name);
  return file;
}

void GuardEvidence::keep_frame()
{
  if (!frames_before_ || update->ntimestep % frames_every_) return;
  frames_.push_back(take_frame());
  while ((int) frames_.size() > frames_before_) frames_.pop_front();
}

double GuardEvidence::now() const
{
  return update->atime + (double) (update->ntimestep - update->atimestep) * update->dt;
}

/* ---------------------------------------------------------------------- */

void GuardEvidence::report(const GuardCriteria &criteria, int criterion, bool stops,
                           const std::string &cause)
{
  const Offenders offenders = find_offenders(criteria, criterion);
  if (comm->me == 0) {
    utils::logmesg(
        lmp, message(criteria, criterion, offenders) + (stops ? "; the run is stopped\n" : "\n"));
    if (!cause.empty()) utils::logmesg(lmp, "fix guard {}: {}\n", id_, cause);
    if (!event_file_.empty()) {
      FILE *file = open(event_file_);
      fputs(event(criteria, criterion, offenders, stops, cause).c_str(), file);
      fclose(file);
    }
  }
  if (!snapshot_file_.empty()) write_snapshot(offenders.ids);
}

/* Who violates a criterion, with elements and ranks. Collective. */

GuardEvidence::Offenders GuardEvidence::find_offenders(const GuardCriteria &criteria,
                                                       int criterion) const
{
  Offenders found;
  const std::vector<Offence> worst = criteria.offences(criterion);
  found.reference_length = worst.empty() ? 0.0 : worst[0].reference;
  for (const Offence &each : worst) {
    found.ids.push_back((tagint) each.atom);
    if (each.partner > 0.0) found.ids.push_back((tagint) each.partner);
  }
  const size_t count = found.ids.size();
  std::vector<int> types(count, 0), all_types(count, 0), ranks(count, -1);
  found.ranks.assign(count, -1);
  for (size_t k = 0; k < count; k++)
    for (int i = 0; i < atom->nlocal; i++)
      if (atom->tag[i] == found.ids[k]) {
        types[k] = atom->type[i];
        ranks[k] = comm->me;
      }
  if (count) {
    MPI_Allreduce(types.data(), all_types.data(), (int) count, MPI_INT, MPI_MAX, world);
    MPI_Allreduce(ranks.data(), found.ranks.data(), (int) count, MPI_INT, MPI_MAX, world);
  }
  for (const int type : all_types) {
    const int z = numbers_[type];
    found.elements.push_back(z ? std::string(lamplighter::element_symbol(z))
                               : "type " + std::to_string(type));
  }
  return found;
}

/* A line for the log: what was found, and the worst atoms. */

std::string GuardEvidence::message(const GuardCriteria &criteria, int criterion,
                                   const Offenders &offenders) const
{
  const size_t count = offenders.ids.size();
  std::string atoms;
  for (size_t k = 0; k < count && k < 4; k++)
    atoms += fmt::format("{}{} {}", k ? ", " : "", offenders.elements[k], offenders.ids[k]);
  const std::string limit = GuardCriteria::has_bounds(criterion)
      ? fmt::format("{:g} to {:g}", criteria.lower_bound(criterion), criteria.limit(criterion))
      : fmt::format("{:g}", criteria.limit(criterion));
  std::string text = fmt::format("fix guard {}: {} at step {}: {:.6g}, limit {}", id_,
                                 GuardCriteria::name(criterion), update->ntimestep,
                                 criteria.found(criterion), limit);
  if (!atoms.empty()) text += " (" + atoms + (count > 4 ? ", ..." : "") + ")";
  return text;
}

/* A line for the file of events. */

std::string GuardEvidence::event(const GuardCriteria &criteria, int criterion,
                                 const Offenders &offenders, bool stops,
                                 const std::string &cause) const
{
  const double *lo = domain->boxlo, *hi = domain->boxhi;
  const std::string limit = number(criteria.limit(criterion));
  std::string line = fmt::format(
      "{{\"guard\": \"{}\", \"step\": {}, \"time\": {}, \"units\": \"{}\", \"criterion\": "
      "\"{}\", \"value\": {}, \"limit\": {}",
      id_, update->ntimestep, number(now()), update->unit_style, GuardCriteria::name(criterion),
      number(criteria.found(criterion)),
      GuardCriteria::has_bounds(criterion)
          ? fmt::format("[{}, {}]", number(criteria.lower_bound(criterion)), limit)
          : limit);
  if (GuardCriteria::of_bonds(criterion))
    line += fmt::format(", \"reference_length\": {}", number(offenders.reference_length));
  if (!cause.empty()) line += ", \"cause\": " + text(cause);
  line += fmt::format(
      ", \"action\": \"{}\", \"atoms\": [{}], \"elements\": [{}], \"ranks\": [{}]",
      stops ? "stop" : "record", join(offenders.ids, [](tagint id) { return std::to_string(id); }),
      join(offenders.elements, [](const std::string &name) { return "\"" + name + "\""; }),
      join(offenders.ranks, [](int rank) { return std::to_string(rank); }));
  line += fmt::format(", \"box\": {{\"lo\": [{}, {}, {}], \"hi\": [{}, {}, {}], \"tilt\": [{}, {}, "
                      "{}]}}}}\n",
                      number(lo[0]), number(lo[1]), number(lo[2]), number(hi[0]), number(hi[1]),
                      number(hi[2]), number(domain->xy), number(domain->xz), number(domain->yz));
  return line;
}

/* ---------------------------------------------------------------------- */

/* The atoms of this rank as they are. */

GuardEvidence::Frame GuardEvidence::take_frame() const
{
  Frame frame;
  frame.step = update->ntimestep;
  frame.time = now();
  const double *variance = pair_.of_atoms("variance");
  const double *extrapolation = pair_.of_atoms("extrapolation");
  frame.has_variance = variance != nullptr;
  frame.variance_step = frame.has_variance ? (bigint) pair_.number("committee_step") : -1;
  frame.has_extrapolation = extrapolation != nullptr;
  frame.extrapolation_step = (bigint) pair_.number("extrapolation_step");
  const double *h = domain->h;
  const double box[9] = {h[0], 0.0, 0.0, h[5], h[1], 0.0, h[4], h[3], h[2]};
  std::copy(box, box + 9, frame.box);
  std::copy(domain->boxlo, domain->boxlo + 3, frame.origin);
  frame.atoms.reserve((size_t) ATOM_NUMBERS * atom->nlocal);
  for (int i = 0; i < atom->nlocal; i++) {
    frame.atoms.push_back((double) atom->tag[i]);
    frame.atoms.push_back(atom->type[i]);
    for (int d = 0; d < 3; d++) frame.atoms.push_back(atom->x[i][d]);
    for (int d = 0; d < 3; d++) frame.atoms.push_back(atom->f[i][d]);
    frame.atoms.push_back(variance ? variance[i] : 0.0);
    frame.atoms.push_back(extrapolation ? extrapolation[i] : 0.0);
  }
  return frame;
}

/* The frames before this one, then this one, appended as extended XYZ. Collective. */

void GuardEvidence::write_snapshot(const std::vector<tagint> &marked)
{
  FILE *file = comm->me == 0 ? open(snapshot_file_) : nullptr;
  const bool has_this = !frames_.empty() && frames_.back().step == update->ntimestep;
  for (size_t k = 0; k < frames_.size() - (has_this ? 1 : 0); k++)
    write_frame(file, frames_[k], {}, "before");
  write_frame(file, take_frame(), marked, "failure");
  frames_.clear();
  if (file) fclose(file);
}

/* A frame of all ranks as extended XYZ; `file` on the first alone. Collective. */

void GuardEvidence::write_frame(FILE *file, const Frame &frame, const std::vector<tagint> &marked,
                                const char *note) const
{
  const std::vector<double> all = gather_on_first(frame.atoms, MPI_DOUBLE, world);
  if (!file) return;

  std::vector<size_t> order(all.size() / ATOM_NUMBERS);
  for (size_t k = 0; k < order.size(); k++) order[k] = ATOM_NUMBERS * k;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return all[a] < all[b]; });
  fprintf(file, "%d\nLattice=\"", (int) order.size());
  for (int k = 0; k < 9; k++) fprintf(file, "%s%.10g", k ? " " : "", frame.box[k]);
  fprintf(file,
          "\" Origin=\"%.10g %.10g %.10g\" "
          "Properties=species:S:1:pos:R:3:id:I:1:forces:R:3%s%s:guard:I:1",
          frame.origin[0], frame.origin[1], frame.origin[2],
          frame.has_variance ? ":committee_variance:R:1" : "",
          frame.has_extrapolation ? ":extrapolation:R:1" : "");
  fprintf(file, " step=" BIGINT_FORMAT " time=%.10g guard_frame=%s pbc=\"%s %s %s\"", frame.step,
          frame.time, note, domain->periodicity[0] ? "T" : "F", domain->periodicity[1] ? "T" : "F",
          domain->periodicity[2] ? "T" : "F");
  if (frame.has_variance) fprintf(file, " committee_step=" BIGINT_FORMAT, frame.variance_step);
  if (frame.has_extrapolation)
    fprintf(file, " extrapolation_step=" BIGINT_FORMAT, frame.extrapolation_step);
  fputs("\n", file);
  for (const size_t at : order) {
    const double *a = &all[at];
    const tagint tag = (tagint) a[0];
    const int z = numbers_[(int) a[1]];
    const bool mark = std::find(marked.begin(), marked.end(), tag) != marked.end();
    fprintf(file, "%s %.10g %.10g %.10g %lld %.10g %.10g %.10g",
            z ? lamplighter::element_symbol(z) : "X", a[2] - frame.origin[0],
            a[3] - frame.origin[1], a[4] - frame.origin[2], (long long) tag, a[5], a[6], a[7]);
    if (frame.has_variance) fprintf(file, " %.10g", a[8]);
    if (frame.has_extrapolation) fprintf(file, " %.10g", a[9]);
    fprintf(file, " %d\n", mark ? 1 : 0);
  }
}

double GuardEvidence::memory_usage() const
{
  double bytes = 0.0;
  for (const Frame &frame : frames_) bytes += (double) frame.atoms.capacity() * sizeof(double);
  return bytes;
}
