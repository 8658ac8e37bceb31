"""Labelled frames become `data/*.xyz`, with the names of labels that the data of ../ec_emc have.

python collect.py

Frames in which two molecules run into each other, with a force beyond 20 eV/Å, are left out, and counted.
"""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

LARGEST_FORCE = 20.0  # eV/Å
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


def main() -> None:
    """Write `data/KIND.xyz` and `data/KIND_test.xyz` of each kind."""
    Path("data").mkdir(exist_ok=True)
    for kind in ("liquid", "scans", "molecules"):
        for name in (kind, f"{kind}_test"):
            frames = [renamed(each) for each in ase.io.read(f"{name}.xyz", ":")]
            kept = [each for each in frames if np.abs(each.arrays[NAMES[1]]).max() <= LARGEST_FORCE]
            ase.io.write(f"data/{name}.xyz", kept)
            print(f"data/{name}.xyz: {len(kept)} frames, {len(frames) - len(kept)} left out")


if __name__ == "__main__":
    main()
