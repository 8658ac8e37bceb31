"""Templates of input files: text with `{{placeholders}}`, in place of which a frame is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
from ase import Atoms

from lamplighter.labelling.electrons import Electrons

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")

CELL = ("cell", "cell_a", "cell_b", "cell_c", "scaled_positions")
ELECTRONS = ("charge", "multiplicity", "unpaired")
KNOWN = ("atoms", "positions", "elements", "counts", "n_atoms", "n_elements", "frame", *CELL, *ELECTRONS)
"""Placeholders that every template may hold; docs/how_to/label.md says what each stands for."""


def names_in(text: str) -> set[str]:
    """The placeholders of a text."""
    return set(_PLACEHOLDER.findall(text))


def by_element(atoms: Atoms) -> np.ndarray:
    """The order of atoms in which those of an element follow each other, elements as they first come; shape (n,)."""
    first = {number: place for place, number in reversed(list(enumerate(atoms.numbers)))}
    return np.argsort([first[number] for number in atoms.numbers], kind="stable")


def filled(
    text: str, atoms: Atoms, electrons: Electrons, frame: int, lines: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """A template with a frame in it.

    Args:
        text: With placeholders that are all known.
        atoms: The frame, atoms of an element one after the other.
        electrons: Its charge and multiplicity.
        frame: Its number.
        lines: Placeholders of the user's own, which have a line for each element.
    """
    elements = list(dict.fromkeys(atoms.symbols))
    cell = [_numbers(vector) for vector in atoms.cell.array]
    values = {
        "atoms": _lines(f"{one} {_numbers(at)}" for one, at in zip(atoms.symbols, atoms.positions, strict=True)),
        "positions": _lines(_numbers(at) for at in atoms.positions),
        "elements": " ".join(elements),
        "counts": " ".join(str(int(np.sum(atoms.symbols == element))) for element in elements),
        "n_atoms": str(len(atoms)),
        "n_elements": str(len(elements)),
        "frame": str(frame),
        "charge": str(electrons.charge),
        "multiplicity": str(electrons.multiplicity),
        "unpaired": str(electrons.multiplicity - 1),
        **{name: _lines(given.get(element, "") for element in elements) for name, given in (lines or {}).items()},
    }
    if atoms.cell.rank == 3:
        values |= {
            "cell": _lines(cell),
            **{f"cell_{axis}": vector for axis, vector in zip("abc", cell, strict=True)},
            "scaled_positions": _lines(_numbers(at) for at in atoms.get_scaled_positions(wrap=False)),
        }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _numbers(vector: np.ndarray) -> str:
    return " ".join(f"{value:.10f}" for value in vector)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
