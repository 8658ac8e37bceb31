"""Potentials: how a machine-learned model becomes a LAMMPS pair style.

`interface` says what a model must offer, `registry` finds the frameworks that are installed,
`bridge` answers the calls of `pair_style lamplighter`, and each framework has one file.
"""

import sys
import warnings

if "lammps" in sys.modules and "torch" not in sys.modules:
    warnings.warn(
        "lammps was imported before torch, so torch will use the slow linear algebra that liblammps exports: "
        "import torch or lamplighter.potentials before lammps",
        stacklevel=2,
    )
