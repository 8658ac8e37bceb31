"""A short NVE run under mpirun that writes its final positions. `same_trajectory.py MODEL OUT.npy`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures

model, out = sys.argv[1:3]
lmp = open_lammps()
load(lmp, structures.slab(), "lamplighter", f"{model} {' '.join(structures.ELEMENTS)}")
lmp.commands_string(
    "neighbor 0.5 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 1500 7 loop all\nfix move all nve\n"
    "timestep 0.0005\nrun 60 post no"
)
positions = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
if MPI.COMM_WORLD.rank == 0:
    np.save(out, positions)
