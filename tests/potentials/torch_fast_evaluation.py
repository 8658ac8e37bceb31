"""A committee by `engine torch-fast` that drives by its mean: `… FOLDER JSON`, JSON: {"models": […]}, under mpirun.

And its first model as on GPUs, which find pairs and exchange features themselves: where one rank has no atoms, where
both have some, and with an MPI that takes memory of the device.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ase.io
import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures
from lamplighter.potentials.bridge import device_exchange, pair_step

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
os.environ["LAMPLIGHTER_PAIRS"] = "model"
rows = atoms.copy()
rows.positions[:, 2] += 0.5 * atoms.cell[2, 2] - atoms.positions[:, 2].mean()  # across the plane between the ranks
for name, given, direct in (("one_empty", atoms, False), ("divided", rows, False), ("direct", rows, True)):
    pair_step.takes_memory_of = lambda _, direct=direct: direct  # type: ignore[assignment]
    before = device_exchange.travelled.rounds
    files = " ".join([asked["models"][0], *structures.ELEMENTS])
    back = load(lmp, given, "lamplighter dtype float64 engine torch-fast", files).rot_mat
    lmp.command("run 0 post no")
    found[name] = np.array(lmp.gather_atoms("f", 1, 3)).reshape(len(atoms), 3) @ back.T
    mine = int(lmp.extract_global("nlocal"))
    found[f"{name}_atoms"] = np.array(MPI.COMM_WORLD.gather(mine))
    found[f"{name}_rounds"] = np.array(MPI.COMM_WORLD.gather(device_exchange.travelled.rounds - before))
if MPI.COMM_WORLD.rank == 0:
    np.savez(folder / "found.npz", **found)
