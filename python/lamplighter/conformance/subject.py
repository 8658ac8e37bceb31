"""A potential under test: its models, the reference that they are held against, and how closely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Subject:
    """What the checks need to know of a potential.

    Attributes:
        name: For the names of the tests.
        model: A model file.
        second: Another one, for the committee.
        elements: Two or more elements that both know; the type of each in LAMMPS is its place.
        reference: Gives the framework's own ASE calculator of a model file. It must give energy and forces; energies of
            atoms and stress are compared where it gives them.
        words: Words after `pair_style lamplighter`.
        reference_words: The same, for the comparison with the reference, if that runs in another precision.
        force: Largest difference from the reference, eV/Å.
        energy: Largest difference from the reference, eV per atom.
        stress: Largest difference from the reference, relative to the largest component.
        own_force: Largest difference between calls that should give equal forces (other ranks, other order of atoms,
            turned), eV/Å; energies per atom may differ by as much in eV.
        slope: Largest difference between forces and differences of energies, eV/Å; None: too coarse to tell.
        ranks: Numbers of MPI ranks.
    """

    name: str
    model: Path
    second: Path
    elements: tuple[str, ...]
    reference: Callable[[Path], Any]
    words: str = "dtype float64"
    reference_words: str | None = None
    force: float = 1e-8
    energy: float = 1e-8
    stress: float = 1e-6
    own_force: float = 1e-8
    slope: float | None = 1e-4
    ranks: tuple[int, ...] = (1, 2)
