"""The molecules and salts that a recipe may name without more, with their sources: `library.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).parent / "library.yaml"


@dataclass(frozen=True)
class LibraryMolecule:
    """One molecule or ion.

    Attributes:
        name: What a recipe says.
        title: Its chemical name.
        smiles: SMILES without hydrogens.
        cas: CAS Registry Number of the molecule, or of the salt `of`.
        of: That salt, where an ion is meant.
        density: Of the pure liquid, g/cm³, for volume fractions; None: not known here.
        temperature: At which it has that density, °C.
        source: Of the density.
        checked: What another source says at that temperature.
        positions: Å, one row for each atom in the order of the SMILES, where RDKit makes no geometry.
    """

    name: str
    title: str
    smiles: str
    cas: str
    of: str | None = None
    density: float | None = None
    temperature: float | None = None
    source: str | None = None
    checked: str | None = None
    positions: tuple[tuple[float, float, float], ...] | None = None


@cache
def molecules() -> dict[str, LibraryMolecule]:
    """All molecules and ions, by name."""
    made = {}
    for name, given in _content()["molecules"].items():
        positions = given.pop("positions", None)
        rows = None if positions is None else tuple((float(x), float(y), float(z)) for x, y, z in positions)
        made[name] = LibraryMolecule(name=name, positions=rows, **given)
    return made


@cache
def salts() -> dict[str, dict[str, int]]:
    """All salts, by name: their ions with how many of each."""
    return _content()["salts"]


def names() -> list[str]:
    """Everything that a recipe may name."""
    return [*molecules(), *salts()]


def _content() -> dict[str, dict]:
    content: dict[str, dict] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return content
