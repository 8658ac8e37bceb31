"""What options say of molecules and of training data: names, and compositions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.analysis.bonding import BondRule


def training_compositions(
    given: Sequence[str], species: str, called: Mapping[str, str], bonds: BondRule
) -> dict[str, set[str]] | None:
    """Compositions in the training data of each row; the empty name stands for all rows."""
    from lamplighter.observables.transfer import compositions_of
    from lamplighter.structures.labelled_frames import read_frames

    found: dict[str, set[str]] = {}
    for text in given:
        row, _, file = ("", "", text) if Path(text).exists() else text.rpartition("=")
        made_of = compositions_of(read_frames(Path(file))[0], species, called, bonds)
        found[row] = found.get(row, set()) | set(made_of.names)
    return found or None


def pair(option: str, text: str) -> tuple[str, str]:
    """`NAME=VALUE` in two.

    Raises:
        LamplighterError: it is not of this form.
    """
    first, sign, second = text.partition("=")
    if not (first and sign and second):
        raise LamplighterError(f"{option} {text}: expected NAME=VALUE")
    return first, second
