"""What a user says of bonds: elements, pairs of elements, pairs of atoms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ase.data import chemical_symbols

LEAST_TOLERANCE, MOST_TOLERANCE = 0.5, 2.0
"""Bounds of the longest bond, in sums of two covalent radii; both are beyond any use."""

_NUMBERS = {symbol: number for number, symbol in enumerate(chemical_symbols) if number}
_SIGN = re.compile("[-\N{EN DASH}]")


@dataclass(frozen=True)
class BondWords:
    """What words such as `Li`, `Zn-O` and `12-57` name.

    Attributes:
        elements: Atomic numbers.
        pairs_of_elements: Atomic numbers, the lower first.
        pairs_of_atoms: IDs, the lower first.
    """

    elements: frozenset[int] = frozenset()
    pairs_of_elements: frozenset[tuple[int, int]] = frozenset()
    pairs_of_atoms: frozenset[tuple[int, int]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.elements or self.pairs_of_elements or self.pairs_of_atoms)


NOTHING_NAMED = BondWords()


def split_words(given: str) -> list[str]:
    """Words between spaces or commas."""
    return given.replace(",", " ").split()


def read_bond_words(words: Iterable[str]) -> BondWords:
    """Elements, pairs of elements and pairs of IDs.

    Raises:
        ValueError: a word is nothing of these; it is named.
    """
    elements, of_elements, of_atoms = set(), set(), set()
    for word in words:
        ends = _SIGN.split(word)
        if len(ends) == 1 and word in _NUMBERS:
            elements.add(_NUMBERS[word])
        elif len(ends) == 2 and all(end in _NUMBERS for end in ends):
            low, high = sorted(_NUMBERS[end] for end in ends)
            of_elements.add((low, high))
        elif len(ends) == 2 and all(end.isdecimal() and int(end) > 0 for end in ends) and ends[0] != ends[1]:
            low, high = sorted(int(end) for end in ends)
            of_atoms.add((low, high))
        else:
            raise ValueError(
                f"{word!r} is no element (Li), no pair of elements (Zn-O) and no pair of atoms by their IDs (12-57)"
            )
    return BondWords(frozenset(elements), frozenset(of_elements), frozenset(of_atoms))


def problem_of_tolerance(tolerance: float) -> str:
    """What is wrong with a tolerance, for messages; empty: nothing."""
    if LEAST_TOLERANCE < tolerance < MOST_TOLERANCE:
        return ""
    return (
        f"tolerance must lie between {LEAST_TOLERANCE:g} and {MOST_TOLERANCE:g}, got {tolerance:g}: times the sum of "
        "two covalent radii it is the longest bond"
    )
