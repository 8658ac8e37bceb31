"""Labelled frames become `data/*.xyz`, with the names of labels that the data of ../ec_emc have.

python collect.py

Frames of the liquid are sorted by composition, N molecules of EC and M of EMC: `data/liquid_N_M.xyz`. Frames in which
two molecules run into each other, with a force beyond 20 eV/Å, are left out, and counted; so are compressed clusters
beyond the largest force of the test clusters, 36 eV/Å.
"""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

LARGEST_FORCE = 20.0  # eV/Å
OF_COMPRESSED = 36.0
KINDS = ("liquid", "liquid_test", "scans", "scans_test", "molecules", "molecules_test", "compressed")
NAMES = ("energy_xtb", "forces_xtb", "stress_xtb")


def renamed(frame: Atoms) -> Atoms:
    """The frame with energy (eV), forces (eV/Å) and, where it is periodic, stress (eV/Å³, 9 numbers)."""
    energy, forces, stress = NAMES
    made = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    made.info[energy] = frame.get_potential_energy()
    made.arrays[forces] = np.round(frame.get_forces(), 6)
    if frame.pbc.all():
        made.info[stress] = np.round(frame.get_stress(voigt=False), 9).ravel()
    return made


def composition(frame: Atoms) -> str:
    """Molecules of EC, C3H4O3, and of EMC, C4H8O3: `4_8`."""
    symbols = list(frame.symbols)
    n_emc = symbols.count("C") - symbols.count("O")
    return f"{symbols.count('O') // 3 - n_emc}_{n_emc}"


def main() -> None:
    """Write the files of each kind, and those of its test frames."""
    Path("data").mkdir(exist_ok=True)
    for name in KINDS:
        largest = OF_COMPRESSED if name == "compressed" else LARGEST_FORCE
        frames = [renamed(each) for each in ase.io.read(f"{name}.xyz", ":")]
        kept = [each for each in frames if np.abs(each.arrays[NAMES[1]]).max() <= largest]
        files: dict[str, list[Atoms]] = {}
        for each in kept:
            files.setdefault(f"{name}_{composition(each)}" if name == "liquid" else name, []).append(each)
        for file, some in files.items():
            ase.io.write(f"data/{file}.xyz", some)
        print(f"{name}: {len(kept)} frames in {', '.join(files)}; {len(frames) - len(kept)} left out")


if __name__ == "__main__":
    main()
