"""A committee by `engine torch-fast` that drives by its mean: `… FOLDER JSON`, JSON: {"models": […]}, under mpirun."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures

folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
lmp = open_lammps()
atoms = ase.io.read(folder / "atoms.traj")
files = " ".join([*asked["models"], *structures.ELEMENTS])
style = "lamplighter dtype float64 engine torch-fast committee every 1 drive mean"
lmp.command("processors 1 1 *")
back = load(lmp, atoms, style, files).rot_mat
lmp.commands_string("fix v all pair 1 lamplighter variance 0\nrun 0 post no")
found = {
    "forces": np.array(lmp.gather_atoms("f", 1, 3)).reshape(len(atoms), 3) @ back.T,
    "variance": np.array(lmp.gather("f_v", 1, 1)),
}
if MPI.COMM_WORLD.rank == 0:
    np.savez(folder / "found.npz", **found)
