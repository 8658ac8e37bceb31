/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The native evaluator without LAMMPS: one cluster of atoms in vacuum at a time. It serves to
   check a compiled model where it was made, and tests. Every function returns 0, or 1 after it
   wrote the reason to `message` (at most `size` bytes). Units: eV and Angstrom. */

#ifndef LAMPLIGHTER_NATIVE_C_INTERFACE_H
#define LAMPLIGHTER_NATIVE_C_INTERFACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `elements`: symbols of the types 1, 2, ...; `dtype` float64, float32 or auto; `intervals` of
   the radial tables, 0: chosen. */
int lamplighter_mace_open(const char *path, int32_t nelements, const char *const *elements,
                          const char *dtype, int32_t intervals, void **evaluator, double *cutoff,
                          char *message, int32_t size);

/* How many models the file holds. */
int32_t lamplighter_mace_members(void *evaluator);

/* One line that says what was loaded. */
void lamplighter_mace_summary(void *evaluator, char *text, int32_t size);

/* The first `nmembers` models. `x`: [n][3], `type`: [n] from 1. Out, for each model: `energy`,
   `f` [n][3], `eatoms` [n], `virial` [6]; `seconds` of processor time spent in the evaluator,
   without the search for neighbours. */
int lamplighter_mace_evaluate(void *evaluator, int32_t nmembers, int32_t n, const double *x,
                              const int32_t *type, double *energy, double *f, double *eatoms,
                              double *virial, double *seconds, char *message, int32_t size);

/* Numbers in the description of an atom: layers x channels. */
int32_t lamplighter_mace_features(void *evaluator);

/* The scalar node features after each layer of model number `member`, from 0: `features`
   [n][layers][channels]. `x` and `type` have `rows` rows: the n atoms, and the periodic images of
   them that are within the cutoff of one; `owner` [rows] says whose image a row is, 0 <= owner < n
   (the atoms' own first). */
int lamplighter_mace_describe(void *evaluator, int32_t member, int32_t n, int32_t rows,
                              const double *x, const int32_t *type, const int32_t *owner,
                              double *features, char *message, int32_t size);

void lamplighter_mace_close(void *evaluator);

#ifdef __cplusplus
}
#endif

#endif
