"""Running LAMMPS under MPI: environment, session, script, run folder."""
