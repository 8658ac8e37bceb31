"""A run in which one rank fails. `failing_rank.py MODEL HOW`; started by test_failures.py under mpirun."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures
from lamplighter.potentials.mace import Mace

model, how = sys.argv[1:3]
last = MPI.COMM_WORLD.size - 1
lmp = open_lammps()
calls = 0
compute = Mace.compute


def failing(self: Mace, data: object) -> None:
    global calls
    calls += 1
    if calls == 4 and MPI.COMM_WORLD.rank == last:
        if how == "exception":
            raise ArithmeticError("the model broke on this rank alone")
        if how == "memory":
            torch.empty(2**46, dtype=torch.float64)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    compute(self, data)  # type: ignore[arg-type]
    if how == "nan" and calls == 4 and MPI.COMM_WORLD.rank == last:
        data.pair_forces[7] = float("nan")  # type: ignore[attr-defined]


Mace.compute = failing  # type: ignore[method-assign]
load(lmp, structures.liquid(), "lamplighter engine bridge", f"{model} {' '.join(structures.ELEMENTS)}")
lmp.commands_string("fix move all nve\nrun 20")
print("reached the end")
