"""Elements of atoms that a file names, but of which it does not say the element.

A name is not guessed at: `CA` is calcium or a carbon atom called alpha, `MW` no element at all. What a name tells
beyond doubt is taken, and the rest is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from lamplighter.arrays import Integers

LEFT_OUT = "NULL"
"""Stands for the element of atoms that are left out, as in LAMMPS' pair_coeff."""

LEAVE_OUT = -1
"""The same among atomic numbers."""

_MOST_NAMED = 6
_ALONE = "HBCNOFPSKI"
_FIRST = "HBCNOFPS"
_MADE = 97  # elements from here on occur in no simulation


def element_of_name(name: str, residue: str = "") -> str | None:
    """The element that the name of an atom tells beyond doubt; None: it does not.

    - One letter and digits: `C`, `O1`, `H12'`; of elements that are called so (not tungsten: `W` is a bead of water).
    - Two letters as the symbol is written: `Cl`, `Na1`; in capitals only where the residue has that name, as of ions.
    - More letters that begin with H, B, C, N, O, F, P or S and are no symbol of two letters: `OW`, `HC`, but not `CA`.

    Args:
        name: Of the atom.
        residue: Of its residue.
    """
    match = re.match(r"[0-9]*([A-Za-z]+)", name.strip())
    if match is None:
        return None
    word = match.group(1)
    if len(word) == 1:
        return word.upper() if word.upper() in _ALONE else None
    if word in chemical_symbols[1:]:
        return word
    symbol = word[:2].capitalize()
    if atomic_numbers.get(symbol, _MADE) < _MADE:
        return symbol if len(word) == 2 and residue.upper().startswith(word.upper()) else None
    return word[0].upper() if word[0].upper() in _FIRST else None


def numbers_of_names(names: Sequence[str], residues: Sequence[str], given: Mapping[str, str]) -> Integers:
    """Atomic numbers by name; 0 where it is not known.

    Args:
        names, residues: Of the atoms; no residues where they are not known.
        given: Symbols by name, or `NULL` for atoms that are left out.
    """
    pairs = list(zip(names, residues or [""] * len(names), strict=True))
    found = {pair: number_of_symbol(given.get(pair[0]) or element_of_name(*pair) or "") for pair in set(pairs)}
    return np.array([found[pair] for pair in pairs], dtype=np.int64)


def number_of_symbol(symbol: str) -> int:
    """Atomic number; −1 of `NULL`, 0 of what is no element."""
    return LEAVE_OUT if symbol == LEFT_OUT else atomic_numbers.get(symbol, 0) if symbol != "X" else 0


def in_words(unknown: Mapping[str, int]) -> str:
    """Names and how many atoms have them: `MW (512 atoms), CL (3 atoms)`."""
    most = sorted(unknown, key=lambda name: -unknown[name])
    listed = [f"{name!r} ({unknown[name]} atom{'s' if unknown[name] > 1 else ''})" for name in most[:_MOST_NAMED]]
    return ", ".join([*listed, *(["…"] if len(most) > _MOST_NAMED else [])])


def remedy(unknown: Mapping[str, int] | Sequence[str]) -> str:
    """What to type where names are unknown."""
    example = next(iter(unknown), "OW")
    return f'say them with --elements "{example}=SYMBOL …", and leave virtual sites out with {example}=NULL'
