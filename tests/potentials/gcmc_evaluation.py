"""Monte Carlo of atoms by `fix gcmc`, with each engine that evaluates a model. `… OUT.npz MODEL`, also under mpirun."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import open_lammps

#: How the pairs come about: in C++, from LAMMPS to Python, where the model runs.
ENGINES = {"native": ("native", ""), "bridge": ("bridge", ""), "on device": ("bridge", "model")}


def grand_canonical(lmp, model: str | Path, engine: str) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """Carbon atoms that are moved, inserted and deleted, beside oxygen that stays; what is left of them."""
    lmp.commands_string(
        "clear\nunits metal\natom_modify map yes\nregion box block 0 16 0 12 0 12\ncreate_box 2 box\n"
        "mass 1 12.011\nmass 2 15.999\ncreate_atoms 1 random 12 77 NULL overlap 2.0\n"
        "create_atoms 2 random 4 78 NULL overlap 2.0\n"
        f"pair_style lamplighter dtype float64 engine {engine}\npair_coeff * * {model} C O\n"
        "group gas type 1\nfix gas gas gcmc 1 10 10 1 29494 3000 -4.2 1.0 overlap_cutoff 0.9\n"
        "thermo_style custom step pe\nrun 4 post no"
    )
    n = lmp.get_natoms()
    energy = lmp.get_thermo("pe")
    moves = [lmp.extract_fix("gas", 0, 1, k) for k in range(6)]
    lmp.commands_string("unfix gas\nneigh_modify exclude none\nrun 0 post no")
    return {
        "energies": np.array([energy, lmp.get_thermo("pe")]),
        "moves": np.array(moves),
        "positions": np.sort(np.array(lmp.gather_concat("x", 1, 3)).reshape(n, 3), axis=0),
    }


def by_each_engine(lmp, model: str | Path) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """What each of them gives, as `engine/what`."""
    results = {}
    for name, (engine, pairs) in ENGINES.items():
        os.environ["LAMPLIGHTER_PAIRS"] = pairs
        results.update({f"{name}/{what}": found for what, found in grand_canonical(lmp, model, engine).items()})
    return results


if __name__ == "__main__":
    out, model = sys.argv[1:]
    results = by_each_engine(open_lammps(), model)
    if MPI.COMM_WORLD.rank == 0:
        np.savez(out, **results)
