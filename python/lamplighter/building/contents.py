"""What is packed: copies of shapes, and all their atoms one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import Floats, Integers


@dataclass(frozen=True)
class Copies:
    """Copies of one shape.

    Attributes:
        radii: Atoms of two molecules are no nearer than the sum of theirs, Å, shape (n,).
        shape: Around its centre, Å, shape (n, 3).
        number: How many copies.
        bonds: Places of bonded atoms.
        rings: Places of the atoms of each ring, one after the other.
    """

    radii: Floats
    shape: Floats
    number: int
    bonds: Sequence[tuple[int, int]] = ()
    rings: Sequence[Sequence[int]] = ()


@dataclass(frozen=True)
class Contents:
    """All atoms of copies.

    Attributes:
        shapes: Each molecule around its centre, Å, shape (n, 3).
        molecule: Of each atom, from 0, ascending, shape (n,).
        radii: Å, shape (n,).
        bonds: Places of bonded atoms, shape (m, 2).
        rings: Places of the atoms of each ring, one after the other.
    """

    shapes: Floats
    molecule: Integers
    radii: Floats
    bonds: Integers
    rings: list[Integers]

    @property
    def n_molecules(self) -> int:
        """Molecules."""
        return int(self.molecule[-1]) + 1

    @classmethod
    def of(cls, copies: Sequence[Copies]) -> Contents:
        """Those of copies, at least one."""
        shapes, molecule, radii = [], [], []
        bonds: list[Integers] = [np.empty((0, 2), dtype=np.int64)]
        rings: list[Integers] = []
        molecules = atoms = 0
        for each in copies:
            size = len(each.radii)
            starts = atoms + size * np.arange(each.number, dtype=np.int64)
            shapes.append(np.tile(each.shape, (each.number, 1)))
            molecule.append(np.repeat(molecules + np.arange(each.number, dtype=np.int64), size))
            radii.append(np.tile(each.radii, each.number))
            within = np.array(each.bonds, dtype=np.int64).reshape(-1, 2)
            bonds.append((starts[:, None, None] + within).reshape(-1, 2))
            for ring in each.rings:
                rings += list(starts[:, None] + np.array(ring, dtype=np.int64))
            molecules += each.number
            atoms += size * each.number
        return cls(
            np.concatenate(shapes), np.concatenate(molecule), np.concatenate(radii), np.concatenate(bonds), rings
        )
