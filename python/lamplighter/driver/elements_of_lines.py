"""Elements that `pair_coeff` lines of a run file give to the atom types, held against those of the structure."""

from __future__ import annotations

from collections.abc import Sequence

from ase.data import chemical_symbols

from lamplighter.config.potential import PotentialSection
from lamplighter.errors import ConfigError

_SYMBOLS = frozenset(chemical_symbols[1:])
_NO_ELEMENT = "NULL"  # a type that the pair style leaves to another


def name_elements(potential: PotentialSection) -> bool:
    """Whether all `pair_coeff` lines of a potential in LAMMPS' own words are `* *` and end in elements."""
    every_line = [*potential.lammps, *(line for member in potential.members for line in member)]
    coefficients = [words for words in map(str.split, every_line) if words[:1] == ["pair_coeff"]]
    return all(words[1:3] == ["*", "*"] and words[-1] in _SYMBOLS for words in coefficients)


def require_same_elements(lines: Sequence[str], elements: Sequence[str]) -> None:
    """Refuse lines `pair_coeff * * … SYMBOLS` whose symbols, one for each atom type, are not those of the structure.

    Args:
        lines: Of a potential, in LAMMPS' words.
        elements: Of the atom types, as their masses and names in the structure say.

    Raises:
        ConfigError: a type has another element there.
    """
    for line in lines:
        words = line.partition("#")[0].split()
        given = words[-len(elements) :]
        if words[:3] != ["pair_coeff", "*", "*"] or len(words) < 3 + len(elements):
            continue
        if not all(word in _SYMBOLS or word == _NO_ELEMENT for word in given):
            continue
        for number, (word, element) in enumerate(zip(given, elements, strict=True), start=1):
            if word not in (element, _NO_ELEMENT):
                raise ConfigError(
                    f"potential: `{' '.join(words)}` gives atom type {number} the element {word}, and in the structure "
                    f"it is {element}: the types are {' '.join(elements)}, in this order"
                )
