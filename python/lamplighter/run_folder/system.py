"""What was simulated in a run, and that several runs are of one system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from lamplighter.analysis.molecules import hill_formula
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.run_folder.record import RunRecord
from lamplighter.run_folder.trajectory import STRUCTURE
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.trajectory import read_start


def system_of(run: RunRecord) -> str:
    """All atoms of a run as a formula; `N atoms` where its structure cannot be read; empty: unknown."""
    path = run.folder / STRUCTURE
    try:
        frame = read_start(path, AtomTypes({}, {}))
    except LamplighterError:
        return "" if run.natoms is None else f"{run.natoms} atoms"
    return hill_formula(Counter(frame.element(atom) for atom in range(len(frame))))


def require_same_system(systems: Iterable[tuple[Path, str]]) -> None:
    """Refuse to average over runs of different systems or sizes.

    Args:
        systems: Folders and what `system_of` says of them; unknown ones are not compared.

    Raises:
        RunFolderError: two are of different systems; both are named.
    """
    known = [(folder, system) for folder, system in systems if system]
    for folder, system in known[1:]:
        if system != known[0][1]:
            raise RunFolderError(
                f"runs of different systems cannot be averaged: {known[0][0]} is {known[0][1]}, {folder} is {system}"
            )
