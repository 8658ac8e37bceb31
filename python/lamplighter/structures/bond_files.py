"""Lists of bonds and of bond lengths, as `fix guard` reads them; # begins a comment.

Bonds of LAMMPS data files and of lists of molecules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ase.data import chemical_symbols

from lamplighter.errors import StructureError, TrajectoryError
from lamplighter.structures.lammps_data import looks_like_data
from lamplighter.structures.molecule_list import is_molecule_list, read_molecule_list


def read_bond_list(path: Path) -> list[tuple[int, int, float | None]]:
    """Lines `ID1 ID2 [length]`, the length in Å.

    Raises:
        TrajectoryError: the file cannot be read, is empty, or a line is something else; the line is named.
    """
    bonds: list[tuple[int, int, float | None]] = []
    for number, words in _lines(path, "the list of bonds"):
        try:
            first, second = int(words[0]), int(words[1])
            length = _length(words[2]) if len(words) == 3 else None
            if len(words) > 3:
                raise ValueError
        except (ValueError, IndexError):
            raise TrajectoryError(
                f"line {number} of {path} is not 'ID1 ID2 [length in Å]': {' '.join(words)!r}"
            ) from None
        bonds.append((first, second, length))
    if not bonds:
        raise TrajectoryError(f"the list of bonds {path} is empty; it needs lines 'ID1 ID2 [length in Å]'")
    return bonds


def read_bond_lengths(path: Path) -> dict[tuple[str, str], float]:
    """Lines `ELEMENT1 ELEMENT2 length`, the length in Å; keys in alphabetical order.

    Raises:
        TrajectoryError: the file cannot be read, is empty, or a line is something else; the line is named.
    """
    lengths: dict[tuple[str, str], float] = {}
    for number, words in _lines(path, "reference must be mean, initial or a file of bond lengths, and"):
        try:
            first, second, length = words
            if first not in chemical_symbols[1:] or second not in chemical_symbols[1:]:
                raise ValueError
            low, high = sorted((first, second))
            lengths[low, high] = _length(length)
        except ValueError:
            raise TrajectoryError(
                f"line {number} of {path} is not 'ELEMENT1 ELEMENT2 length in Å': {' '.join(words)!r}"
            ) from None
    if not lengths:
        raise TrajectoryError(f"{path} holds no bond lengths; it needs lines 'ELEMENT1 ELEMENT2 length in Å'")
    return lengths


def read_bonds(path: Path) -> list[tuple[int, int]]:
    """Bonds by IDs, the lower first: of a list of bonds or of molecules, or of the Bonds section of a LAMMPS data file.

    A list may be empty: then nothing is bonded.

    Raises:
        TrajectoryError: the file cannot be read, a line is something else, or a data file has no Bonds section.
    """
    if is_molecule_list(path):
        bonds = _bonds_of_molecules(path)
    elif not lists_bonds(path):
        bonds = _bonds_of_data(path)
    elif any(True for _ in _lines(path, "the list of bonds")):
        bonds = [(first, second) for first, second, _ in read_bond_list(path)]
    else:
        bonds = []
    return sorted({(min(bond), max(bond)) for bond in bonds})


def lists_bonds(path: Path) -> bool:
    """Whether a file is a list of bonds rather than one of molecules or a LAMMPS data file."""
    return not is_molecule_list(path) and not (path.is_file() and looks_like_data(path))


def write_bonds(path: Path, bonds: Iterable[Sequence[int]], comments: Iterable[str]) -> None:
    """Write a list of bonds with comments before it.

    Raises:
        OSError: the file cannot be written.
    """
    lines = [*(f"# {comment}" for comment in comments), *(f"{first} {second}" for first, second in bonds)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _bonds_of_molecules(path: Path) -> list[tuple[int, int]]:
    try:
        return [(int(first), int(second)) for first, second in read_molecule_list(path).bonds()]
    except StructureError as problem:
        raise TrajectoryError(str(problem)) from None


def _bonds_of_data(path: Path) -> list[tuple[int, int]]:
    bonds: list[tuple[int, int]] = []
    inside = found = False
    for number, words in _lines(path, "the data file"):
        if words[0][0].isalpha():
            inside = words[0] == "Bonds"
            found |= inside
        elif inside:
            try:
                first, second = int(words[2]), int(words[3])
            except (ValueError, IndexError):
                raise TrajectoryError(f"line {number} of {path} is no bond 'NUMBER TYPE ID1 ID2'") from None
            bonds.append((first, second))
    if not found:
        raise TrajectoryError(f"the LAMMPS data file {path} has no Bonds section; give a list 'ID1 ID2' of bonds")
    return bonds


def _length(word: str) -> float:
    length = float(word)
    if not (length > 0.0 and math.isfinite(length)):
        raise ValueError
    return length


def _lines(path: Path, what: str) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise TrajectoryError(f"{what} {path} cannot be read: {reason}") from problem
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words
