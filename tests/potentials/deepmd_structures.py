"""Structures on which `pair_style deepmd` is compared with `DeepPot`: periodic, and with neighbours for every atom."""

from __future__ import annotations

from ase import Atoms

import structures


def shuffled() -> Atoms:
    """The liquid with its atoms in another order, so that types and elements cannot be right by chance."""
    atoms = structures.liquid()
    return atoms[[(37 * k) % len(atoms) for k in range(len(atoms))]]


STRUCTURES = {
    "liquid": structures.liquid,
    "shuffled": shuffled,
    "triclinic": structures.triclinic,
    "slab": structures.slab,
}
