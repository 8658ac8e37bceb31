"""Dynamics whose steps are recorded, and dynamics whose steps are not: `… FOLDER JSON`, under mpirun.

FOLDER has `atoms.traj`, JSON the words of a pair style and its model file by any names. The model runs on the CPU as it
would on a GPU. `found.npz` gets the last positions both ways, and of each rank its atoms, how many recordings it made,
and for how many steps one was used.
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
from tape import Tape

import structures
from lamplighter.potentials.bridge import pair_step
from lamplighter.potentials.bridge.recorded_step import DeviceSteps

folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
os.environ["LAMPLIGHTER_PAIRS"] = "model"
lmp = open_lammps()
atoms = ase.io.read(folder / "atoms.traj")
lmp.command("processors 1 1 *")
found = {}
used = 0
evaluate = DeviceSteps.evaluate


def counted(self: DeviceSteps, *given: object) -> object:
    global used
    result = evaluate(self, *given)  # type: ignore[arg-type]
    used += result is None
    return result


DeviceSteps.evaluate = counted  # type: ignore[assignment,method-assign]
for name, (words, model) in asked.items():
    for tape in (None, Tape()):
        pair_step.recorder = lambda _, tape=tape: tape  # type: ignore[assignment]
        used = 0
        load(lmp, atoms, f"lamplighter {words}", " ".join([model, *structures.ELEMENTS]))
        lmp.commands_string(
            "neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 1500 7 loop geom\n"
            "fix move all nve\nrun 14 post no"
        )
        positions = np.array(lmp.gather_atoms("x", 1, 3))
        if tape is None:
            found[f"{name}_usual"] = positions
            continue
        found[f"{name}_recorded"] = positions
        mine = (int(lmp.extract_global("nlocal")), tape.recordings, used)
        found[f"{name}_counts"] = np.array(MPI.COMM_WORLD.gather(mine))
if MPI.COMM_WORLD.rank == 0:
    np.savez(folder / "found.npz", **found)
