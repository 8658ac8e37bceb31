"""Energies, forces and pressures of `pair_style deepmd`, alone or under mpirun: `deepmd_evaluation.py MODEL OUT.npz`.

MACE's framework and our own styles are loaded in the same process, so that the two are seen to bear each other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from deepmd_structures import STRUCTURES
from lammps_evaluation import full_tensor, load, open_lammps

import structures

model, out = sys.argv[1:]
lmp = open_lammps()
found: dict[str, np.ndarray] = {}
for name, build in STRUCTURES.items():
    atoms = build()
    prism = load(lmp, atoms, f"deepmd {model}", " ".join(structures.ELEMENTS))
    lmp.commands_string(
        "compute e all pe/atom\ncompute total all reduce sum c_e\n"
        "thermo_style custom step pe pxx pyy pzz pxy pxz pyz c_total\nrun 0 post no"
    )
    back = prism.rot_mat  # columns: LAMMPS' axes in the structure's frame
    pressure = np.array([lmp.get_thermo(word) for word in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")])
    found[f"{name}/energy"] = np.array(lmp.get_thermo("pe"))
    found[f"{name}/energies"] = np.array(lmp.gather("c_e", 1, 1))
    found[f"{name}/forces"] = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3) @ back.T
    found[f"{name}/pressure_bar"] = back @ full_tensor(pressure) @ back.T
if MPI.COMM_WORLD.rank == 0:
    np.savez(out, **found)
