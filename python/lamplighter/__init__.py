"""Molecular dynamics with machine-learned interatomic potentials in stock LAMMPS.

`import lammps` imports this package to ask for the plugin, so nothing heavy may be imported here.
"""

__version__ = "0.1.0"
