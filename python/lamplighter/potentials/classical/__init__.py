"""Classical force fields: published tables of an installed package become bonds, angles, charges and lines of LAMMPS.

`moltemplate_file` reads the tables, `atom_types` says which type an atom of a molecule has, `force_fields` which force
fields there are, `typed_molecule` gives a molecule its charges and terms, and `system` is all molecules as LAMMPS
reads them. Energies here are kcal/mol, as in the tables, until `lammps_lines` writes them in eV.
"""
