"""Potentials: how a machine-learned model becomes a LAMMPS pair style.

`interface` says what a model must offer, `registry` finds the frameworks that are installed,
`bridge` answers the calls of `pair_style lamplighter`, and each framework has one file.
"""
