"""What `engine symmetrix` gives on the ranks that there are: `… FOLDER JSON`, JSON: {"models": […], "style": …}.

Of each frame of `atoms.traj` in the folder, `found_N.npz`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import evaluate, open_lammps

import structures

folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
lmp = open_lammps()
lmp.command(f"log {folder / 'log.lammps'}")
lmp.command("processors 1 1 *")
files = " ".join([*asked["models"], *structures.ELEMENTS])
style = f"lamplighter dtype float64 engine symmetrix {asked['style']}"
for number, atoms in enumerate(ase.io.read(folder / "atoms.traj", ":")):
    found = evaluate(lmp, atoms, style, files)
    if MPI.COMM_WORLD.rank == 0:
        np.savez(folder / f"found_{number}.npz", **found)
