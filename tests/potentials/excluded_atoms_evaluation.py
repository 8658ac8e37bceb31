"""A liquid of which some atoms are excluded from all others. `… OUT.npz FILES STYLE …`, alone or under mpirun."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures

#: IDs of the atoms that are excluded: some at the borders of ranks, some within.
GONE = range(1, 41)


def excluded(lmp, style: str, coeff: str) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """Energies and forces of `structures.liquid()`, and a committee's numbers, without the atoms that are gone."""
    load(lmp, structures.liquid(), style, coeff)
    committee = "committee" in style
    lmp.commands_string(
        f"group gone id {GONE[0]}:{GONE[-1]}\nneigh_modify exclude group gone all\n"
        "compute e all pe/atom\ncompute s all stress/atom NULL pair\ncompute sum all reduce sum c_e c_s[1]\n"
        + ("compute c all pair lamplighter\n" if committee else "")
        + f"thermo_style custom step pe pxx c_sum[1] c_sum[2] {'c_c[1]' if committee else ''}\nrun 0 post no"
    )
    n = len(structures.liquid())
    found = {
        "energy": np.array(lmp.get_thermo("pe")),
        "pressure": np.array(lmp.get_thermo("pxx")),
        "energies": np.array(lmp.gather("c_e", 1, 1)),
        "virials": np.array(lmp.gather("c_s", 1, 6)).reshape(n, 6),
        "forces": np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3),
    }
    if committee:
        found["numbers"] = np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(9)])
    return found


if __name__ == "__main__":
    out, files, *styles = sys.argv[1:]
    lmp = open_lammps()
    results = {}
    for number, style in enumerate(styles):
        found = excluded(lmp, style, f"{files} {' '.join(structures.ELEMENTS)}")
        results.update({f"{number}/{name}": value for name, value in found.items()})
    if MPI.COMM_WORLD.rank == 0:
        np.savez(out, **results)
