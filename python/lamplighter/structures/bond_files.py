"""Lists of bonds and of bond lengths, as `fix guard` reads them; # begins a comment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ase.data import chemical_symbols

from lamplighter.errors import TrajectoryError


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
