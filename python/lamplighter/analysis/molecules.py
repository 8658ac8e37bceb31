"""Which atoms belong to one molecule, and of which species it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lamplighter.arrays import Floats, Integers


@dataclass(frozen=True)
class Molecules:
    """Molecules of a system, numbered in the order of their first atoms.

    Attributes:
        of_atom: Molecule of each atom, shape (n_atoms,).
        masses: g/mol, shape (n,).
        names: Species, by formula in Hill's order (C3H4O3), the order of their first molecules.
        species: Place in `names` of each molecule, shape (n,). Isomers have one formula and so are one species.
    """

    of_atom: Integers
    masses: Floats
    names: list[str]
    species: Integers

    def __len__(self) -> int:
        return len(self.masses)

    def counts(self) -> list[int]:
        """Molecules of each species."""
        return [int(n) for n in np.bincount(self.species, minlength=len(self.names))]


def molecules(pairs: Integers, numbers: Integers, masses: Floats) -> Molecules:
    """Atoms that are connected by bonds; an atom without bonds is a molecule.

    Args:
        pairs: Bonds by places of atoms, shape (m, 2), e.g. of `stability.bonds_by_distance`.
        numbers: Atomic numbers, shape (n_atoms,).
        masses: g/mol, shape (n_atoms,).
    """
    n_atoms = len(numbers)
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(n_atoms, n_atoms))
    n, label = connected_components(graph, directed=False)
    # numbered by their first atoms, whatever order the library has
    first = np.full(n, n_atoms)
    np.minimum.at(first, label, np.arange(n_atoms))
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(n)
    of_atom = rank[label]
    elements: list[Counter[str]] = [Counter() for _ in range(n)]
    for molecule, number in zip(of_atom, numbers, strict=True):
        elements[molecule][chemical_symbols[number]] += 1
    formulas = [hill_formula(each) for each in elements]
    names = list(dict.fromkeys(formulas))
    species = np.array([names.index(formula) for formula in formulas], dtype=np.int64)
    return Molecules(of_atom, np.bincount(of_atom, weights=masses, minlength=n).astype(np.float64), names, species)


MOST_SPECIES = 12
"""Species that are named in a line; of more the rarest are counted together."""


def in_words(found: Molecules) -> str:
    """How many molecules of each species there are: `4 Li, 20 CH2O`."""
    counts = dict(zip(found.names, found.counts(), strict=True))
    named = list(counts)
    if len(counts) > MOST_SPECIES:
        named = sorted(counts, key=lambda name: -counts[name])[: MOST_SPECIES - 1]
    text = ", ".join(f"{counts[name]} {name}" for name in named)
    others = [number for name, number in counts.items() if name not in named]
    return text + (f", and {sum(others)} molecules of {len(others)} other species" if others else "")


def hill_formula(elements: Counter[str]) -> str:
    """Formula with C and H first, then the alphabet; without C the alphabet alone (E. A. Hill, 1900)."""
    first = [each for each in ("C", "H") if each in elements] if "C" in elements else []
    order = [*first, *sorted(set(elements) - set(first))]
    return "".join(each + (str(elements[each]) if elements[each] > 1 else "") for each in order)
