"""What was simulated in a run, and that several runs are of one system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from lamplighter.analysis.molecules import hill_formula
from lamplighter.errors import RunFolderError
from lamplighter.structures.frame import Frame


def formula_of(frame: Frame) -> str:
    """All atoms of a frame as a formula, by Hill's order."""
    return hill_formula(Counter(frame.element(atom) for atom in range(len(frame))))


def require_same_system(systems: Iterable[tuple[Path, str]]) -> None:
    """Refuse to average over runs of different systems or sizes.

    Args:
        systems: Folders and their `Run.system`; unknown ones are not compared.

    Raises:
        RunFolderError: two are of different systems; both are named.
    """
    known = [(folder, system) for folder, system in systems if system]
    for folder, system in known[1:]:
        if system != known[0][1]:
            raise RunFolderError(
                f"runs of different systems cannot be averaged: {known[0][0]} is {known[0][1]}, {folder} is {system}"
            )
