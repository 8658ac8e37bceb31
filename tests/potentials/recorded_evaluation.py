"""Dynamics whose steps are recorded, and dynamics whose steps are not: `… FOLDER JSON`, under mpirun.

FOLDER has `atoms.traj`, JSON the words of a pair style and its model file by any names. The model runs on the CPU as it
would on a GPU. `found.npz` gets the last positions both ways, and of each rank its atoms, how many recordings it made,
and for how many steps one was used. Then the atoms of the first rank alone come nearer to each other: `found.npz` gets
the forces both ways, and how often each rank had too few places.
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
from lamplighter.potentials.bridge.static_step import StaticStep, TooFewPlacesError

folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
os.environ["LAMPLIGHTER_PAIRS"] = "model"
lmp = open_lammps()
atoms = ase.io.read(folder / "atoms.traj")
lmp.command("processors 1 1 *")
found = {}
used = lacked = 0
evaluate, look = DeviceSteps.evaluate, StaticStep.look


def counted(self: DeviceSteps, *given: object) -> object:
    global used
    result = evaluate(self, *given)  # type: ignore[arg-type]
    used += result is None
    return result


def noticed(self: StaticStep, *given: object) -> None:
    global lacked
    try:
        look(self, *given)  # type: ignore[arg-type]
    except TooFewPlacesError:
        lacked += 1
        raise


DeviceSteps.evaluate = counted  # type: ignore[assignment,method-assign]
StaticStep.look = noticed  # type: ignore[assignment,method-assign]
for name, (words, model) in asked.items():
    for tape in (None, Tape()):
        pair_step.recorder = lambda _, tape=tape: tape  # type: ignore[assignment]
        used = lacked = 0
        load(lmp, atoms, f"lamplighter {words}", " ".join([model, *structures.ELEMENTS]))
        lmp.commands_string(
            "neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 1500 7 loop geom\n"
            "fix move all nve\nrun 14 post no"
        )
        positions = np.array(lmp.gather_atoms("x", 1, 3))
        mine = [int(lmp.extract_global("nlocal")), tape.recordings if tape else 0, used]
        lmp.commands_string("neigh_modify check yes\nneighbor 4 bin\nrun 8 post no")
        if MPI.COMM_WORLD.rank == 0:
            x = lmp.numpy.extract_atom("x")[: int(lmp.extract_global("nlocal"))]
            x[:] = x.mean(axis=0) + 0.8 * (x - x.mean(axis=0))
        lmp.command("run 1 pre no post no")
        kind = "recorded" if tape else "usual"
        found[f"{name}_{kind}"], found[f"{name}_{kind}_forces"] = positions, np.array(lmp.gather_atoms("f", 1, 3))
        found[f"{name}_counts"] = np.array(MPI.COMM_WORLD.gather([*mine, lacked]))
if MPI.COMM_WORLD.rank == 0:
    np.savez(folder / "found.npz", **found)
