"""A run as an input of plain LAMMPS, for a LAMMPS of any build: the files that it needs, and a note of what is lost."""
