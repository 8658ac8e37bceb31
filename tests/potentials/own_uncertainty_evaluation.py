"""How uncertain `pair_style lamplighter` says a model is of the atoms of a slab, alone or under mpirun.

`own_uncertainty_evaluation.py FOLDER MODEL WORDS [still]`, WORDS of the pair style; makes FOLDER/found.npz. With
`still` the atoms stay where they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures

folder, model, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
lmp = open_lammps()
atoms = structures.slab()
load(lmp, atoms, f"lamplighter dtype float64 {words}", f"{model} {' '.join(structures.ELEMENTS)}")
lmp.commands_string(
    "compute c all pair lamplighter\nfix u all pair 1 lamplighter extrapolation 0\n"
    "thermo_style custom step pe c_c[1]\nrun 0 post no"
)
columns = lmp.extract_compute("c", 0, 3)  # of a vector its length
found = {
    "numbers": np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(columns)]),
    "values": np.array(lmp.gather("f_u", 1, 1)),
}
# the values stay with their atoms when these move to other ranks, until the next evaluation
if "still" not in sys.argv:
    lmp.commands_string(
        "neighbor 0.5 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 3000 7 loop all\nfix m all nve\n"
        "timestep 0.001\nrun 30 post no"
    )
    found["later"] = np.array(lmp.gather("f_u", 1, 1))
    lmp.commands_string("run 1 post no")  # fix pair takes values at steps, not before the first
    found["moved"] = np.array(lmp.gather("f_u", 1, 1))
if MPI.COMM_WORLD.rank == 0:
    np.savez(folder / "found.npz", **found)  # type: ignore[arg-type]
