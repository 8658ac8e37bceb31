"""What a committee finds on a structure, alone or under mpirun: in one start for each of several WORDS of the style.

`committee_evaluation.py FOLDER JSON`, JSON: {"models": […], "words": […]}. The K-th words make FOLDER/K.npz.
"""

from __future__ import annotations

import json
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures
from lamplighter.potentials.bridge.callbacks import total_exchange

MOVE = (
    "neighbor 0.5 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 3000 7 loop all\nfix m all nve\n"
    "timestep 0.001\nrun 30 post no"
)


def found_with(words: str, models: list[str]) -> dict[str, np.ndarray]:
    atoms = structures.slab()
    load(lmp, atoms, f"lamplighter dtype float64 {words}", f"{' '.join(models)} {' '.join(structures.ELEMENTS)}")
    lmp.commands_string(
        "compute c all pair lamplighter\ncompute e all pe/atom\ncompute sum all reduce sum c_e\n"
        "fix v all pair 1 lamplighter variance 0\n"
        "thermo_style custom step pe c_c[1] c_sum\nrun 0 post no"
    )
    columns = 9 + len(structures.ELEMENTS) + len(models)
    found = {
        "numbers": np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(columns)]),
        "variance": np.array(lmp.gather("f_v", 1, 1)),
        "forces": np.array(lmp.gather_atoms("f", 1, 3)).reshape(len(atoms), 3),
        "energies": np.array(lmp.gather("c_e", 1, 1)),
        "energy": np.array(lmp.get_thermo("pe")),
    }
    found["exchange"] = exchange_of_an_evaluation()
    # the values stay with their atoms when these move to other ranks, until the next evaluation
    lmp.commands_string(MOVE)
    found["later"] = np.array(lmp.gather("f_v", 1, 1))
    found["step"] = np.array(lmp.extract_compute("c", 0, 1)[6])
    return found


def exchange_of_an_evaluation() -> np.ndarray:
    """Seconds, of them waiting, rounds and bytes a row, where LAMMPS' timer synchronises."""
    before = np.array(astuple(total_exchange()))
    lmp.commands_string("timer normal sync\nrun 0 post no\ntimer normal nosync")
    return np.array(astuple(total_exchange())) - before


folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
lmp = open_lammps()
for place, words in enumerate(asked["words"]):
    found = found_with(words, asked["models"])
    if MPI.COMM_WORLD.rank == 0:
        np.savez(folder / f"{place}.npz", **found)  # type: ignore[arg-type]
