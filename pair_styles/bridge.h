/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The C interface between pair_style lamplighter and the process that evaluates the model.

   Plain C types only: Python fills and reads these structs through ctypes, another language may do
   the same. No exception crosses it: every function returns 0, or 1 after it kept a message that
   `lamplighter_bridge::message` hands out. Units are those of the model: eV and Angstrom. */

#ifndef LAMPLIGHTER_BRIDGE_H
#define LAMPLIGHTER_BRIDGE_H

#include <stdint.h>

#define LAMPLIGHTER_BRIDGE_VERSION 9
#define LAMPLIGHTER_USE_BRIDGE 2

/* What a model is given at each step. */
#define LAMPLIGHTER_LIST 0   /* positions of atoms and ghosts, and the neighbour list */
#define LAMPLIGHTER_PAIRS 1  /* pairs within the cutoff and their vectors */
#define LAMPLIGHTER_SYSTEM 2 /* positions of all atoms, and the cell; one rank only */

#ifdef __cplusplus
extern "C" {
#endif

/* What pair_style and pair_coeff asked for. */
typedef struct {
  void *pair; /* hand it back to the exchange functions */
  const char *dtype;
  const char *device;
  const char *kind;
  const char *engine;       /* "auto", "native", "torch-fast", "symmetrix" or "bridge" */
  const char *head;         /* of a model with several; "" for its own choice */
  const char *training_set; /* file of its statistics; "": extrapolations are not asked for */
  int32_t committee;        /* 0: only the first model is evaluated */
  int32_t nmodels;
  const char *const *models;
  int32_t wanted; /* which of them is to be opened */
  int32_t ntypes;
  const char *const *elements; /* one per LAMMPS type, type 1 first */
  int32_t rank;
  int32_t nranks;
  int32_t tf32; /* 1: products in float32 may be rounded to TF32, which GPUs make faster */
} lamplighter_request;

/* What the opened model needs of LAMMPS. */
typedef struct {
  int64_t handle;       /* names the model in later calls */
  double cutoff;        /* Angstrom */
  int32_t takes;        /* LAMPLIGHTER_LIST, _PAIRS or _SYSTEM */
  int32_t lacks_virial; /* 1: it has no virial; the pressure is not a number */
} lamplighter_model;

/* One evaluation. Rows 0..nlocal-1 are this rank's atoms, rows nlocal..ntotal-1 its ghosts.
   With one rank a ghost is an image of a local atom, so pairs name the local atom itself
   (ntotal == nlocal) and no feature needs an exchange. */
typedef struct {
  int64_t nlocal;
  int64_t ntotal;
  int32_t rebuilt; /* 1: the neighbour list, and so all of the arrays but x, is new */
  int32_t peratom; /* 1: vatom is wanted */
  int32_t virial_wanted;
  const int32_t *type;   /* [nx] LAMMPS types */
  const int32_t *absent; /* [nlocal] 1: excluded from all others, so that no pair names it: its
                            energy and position are of no account; null: there is none */

  /* LAMPLIGHTER_PAIRS: every pair with r < cutoff, sorted by i */
  int64_t npairs;
  int64_t pair_capacity;
  const int64_t *pair_i; /* [npairs] the receiving atom, < nlocal */
  const int64_t *pair_j; /* [npairs] the sending atom, < ntotal */
  const double *rij;     /* [npairs][3] x_j - x_i */
  double *fij;           /* [npairs][3] out: force on i from the pair; its opposite acts on j */

  /* LAMPLIGHTER_LIST: the list with its skin */
  int64_t nlist;
  int64_t list_capacity;
  const int64_t *list_i;   /* [nlist] */
  const int64_t *list_j;   /* [nlist] as named to the model, < ntotal */
  const int64_t *list_j_x; /* [nlist] row of x that holds the position of j, < nx */

  /* LAMPLIGHTER_SYSTEM */
  const int64_t *tag;  /* [nlocal] number of each atom, which it keeps */
  double cell[9];      /* rows: the cell vectors, Angstrom */
  int32_t periodic[3]; /* 1: along this vector */

  /* LAMPLIGHTER_LIST and LAMPLIGHTER_SYSTEM */
  int64_t nx;      /* rows of x and f: local atoms and all ghosts */
  const double *x; /* [nx][3] */
  double *f;       /* [nx][3] out: forces are added */
  double *virial;  /* [6] out: added; xx yy zz xy xz yz */
  double *vatom;   /* [nx][6] out: added, when peratom */

  int64_t atom_capacity;
  double *eatoms;        /* [nlocal] out: energy of each local atom */
  double energy;         /* out: their sum */
  double *extrapolation; /* [nlocal] out: how far each atom is from the training set; null: not
                            wanted */
} lamplighter_step;

typedef struct {
  int32_t version; /* LAMPLIGHTER_BRIDGE_VERSION */
  int (*open)(const lamplighter_request *request, lamplighter_model *model);
  int (*compute)(int64_t handle, lamplighter_step *step);
  void (*close)(int64_t handle);
  const char *(*message)(void); /* why the last call failed, or what `open` has to say of the
                                   model; valid until the next call */
  /* A model file as a compiled one for the native engine: writes its path (at most `size` bytes)
     and returns 0, or LAMPLIGHTER_USE_BRIDGE if this model or device is not for that engine. */
  int (*compile)(const lamplighter_request *request, char *path, int32_t size);
} lamplighter_bridge;

/* Names the functions that evaluate models in this process; NULL takes them away.
   Returns 0, or 1 if the versions differ. The struct is copied. */
int lamplighter_set_bridge(const lamplighter_bridge *bridge);

/* Message passing, called by a model within `compute`. Rows are atoms, `width` elements of
   `element_size` bytes each (4: float, 8: double), contiguous.
   forward: out = in for local rows; ghost rows become copies of their owner's row.
   reverse: the adjoint: local rows of out are the sums of in over the atom and all of its ghosts
   on all ranks; ghost rows of out are zero. Collective over all ranks. */
int lamplighter_forward_exchange(void *pair, const void *in, void *out, int32_t width,
                                 int32_t element_size);
int lamplighter_reverse_exchange(void *pair, const void *in, void *out, int32_t width,
                                 int32_t element_size);

/* Seconds that the native engine has spent in this process so far, and its evaluations. */
void lamplighter_native_timing(double *seconds, int64_t *evaluations);

/* What the exchanges above, and the like of the native engine and of committees, took in this
   process so far. While LAMMPS' timer synchronises (`timer sync`), ranks meet before each exchange,
   and `waiting` is what that took; `seconds` are without it then, and hold all waiting otherwise.
 */
typedef struct {
  double seconds;
  double waiting;
  int64_t rounds; /* in each, a message travels to each neighbour of this rank */
  int64_t bytes;  /* of one row, in all rounds together */
} lamplighter_exchange_totals;

void lamplighter_exchange_timing(lamplighter_exchange_totals *totals);

#ifdef __cplusplus
}
#endif

#endif
