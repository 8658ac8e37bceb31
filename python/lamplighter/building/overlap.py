"""How much rigid molecules overlap, as a function of where their centres are and how they are turned.

Two atoms of two molecules that are nearer than s, the sum of their radii, add (s² − d²)², the penalty of Packmol
(L. Martínez, R. Andrade, E. G. Birgin, J. M. Martínez, J. Comput. Chem. 30, 2157, 2009); an atom beyond a wall adds
(2 s p)², p its distance from the wall, which is the same to leading order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from lamplighter.arrays import Floats
from lamplighter.building.cells import FilledBox
from lamplighter.building.contents import Contents
from lamplighter.building.separation import NearPairs, near_pairs

SKIN = 1.0
"""Å; pairs are looked for again once an atom has moved by half of it."""


@dataclass(frozen=True)
class _Pairs:
    """Pairs that can overlap until an atom has moved by half of the skin from `where`."""

    where: Floats
    near: NearPairs
    contact: Floats


class Overlap:
    """The overlap of molecules whose orientation is measured from a given one.

    Variables are Å, shape (2, n_molecules, 3) laid out flat: centres, and rotation vectors times the size of the
    molecule, so that a step in either moves atoms about as far.

    Attributes:
        deepest: Of the last evaluation: the largest of 1 − d²/s² of all pairs, and of walls p/s.
    """

    def __init__(self, contents: Contents, turned: Floats, box: FilledBox, margin: float) -> None:
        """Take the molecules in.

        Args:
            contents: All atoms.
            turned: Each molecule around its centre as it is turned at first, Å, shape (n_atoms, 3).
            box: In which they are.
            margin: Atoms are kept farther apart than their radii say by this factor, and off walls by that of s.
        """
        self.deepest = np.inf
        self._molecule, self._box, self._turned = contents.molecule, box, turned
        self._radii = contents.radii * margin
        squares = np.bincount(contents.molecule, (turned**2).sum(axis=1)) / np.bincount(contents.molecule)
        self._size = np.maximum(1.0, np.sqrt(squares))[:, None]
        self._first = np.flatnonzero(np.diff(contents.molecule, prepend=-1))
        self._pairs: _Pairs | None = None
        self._walls: tuple[float, float] | None = None
        self._wall_contact = 2.0 * float(self._radii.max())
        if box.filled is not None:
            inset = (1.0 - 1.0 / margin) * self._wall_contact
            self._walls = box.filled[0] + inset, box.filled[1] - inset

    def variables(self, centres: Floats) -> Floats:
        """Of molecules at these centres (Å, shape (n_molecules, 3)), turned as they were at first."""
        return np.concatenate([centres, np.zeros_like(centres)]).ravel()

    def positions(self, variables: Floats) -> Floats:
        """Of all atoms, Å, shape (n_atoms, 3)."""
        return self._placed(variables)[0]

    def __call__(self, variables: Floats) -> tuple[float, Floats]:
        """The overlap, Å⁴, and its derivatives, Å³."""
        positions, arms, turns = self._placed(variables)
        near = self._near(positions)
        apart = positions[near.first] - positions[near.second] + near.offset
        missing = self._pairs.contact - (apart**2).sum(axis=1)  # type: ignore[union-attr]
        overlaps = np.flatnonzero(missing > 0.0)
        missing, contact = missing[overlaps], self._pairs.contact[overlaps]  # type: ignore[union-attr]
        self.deepest = float((missing / contact).max(initial=0.0))
        forces = -4.0 * missing[:, None] * apart[overlaps]
        first, second, n = near.first[overlaps], near.second[overlaps], len(positions)
        slopes = np.zeros_like(positions)
        if len(overlaps):
            for axis, force in enumerate(forces.T.copy()):
                slopes[:, axis] = np.bincount(first, force, n) - np.bincount(second, force, n)
        overlap = float(missing @ missing)
        if self._walls is not None:
            overlap += self._beyond_walls(positions, slopes)
        return overlap, self._of_molecules(slopes, arms, turns)

    def _placed(self, variables: Floats) -> tuple[Floats, Floats, Floats]:
        """Positions, where each atom is from the centre of its molecule, and rotation vectors."""
        centres, turns = variables.reshape(2, -1, 3)
        turns = turns / self._size
        rotations = Rotation.from_rotvec(turns).as_matrix()
        arms = np.einsum("aij,aj->ai", rotations[self._molecule], self._turned)
        return centres[self._molecule] + arms, arms, turns

    def _near(self, positions: Floats) -> NearPairs:
        if self._pairs is None or ((positions - self._pairs.where) ** 2).sum(axis=1).max() > (0.5 * SKIN) ** 2:
            near = near_pairs(positions, self._box.cell, self._molecule, 2.0 * float(self._radii.max()) + SKIN)
            contact = self._radii[near.first] + self._radii[near.second]
            kept = near.distances < contact + SKIN
            self._pairs = _Pairs(positions, near.of(kept), contact[kept] ** 2)
        return self._pairs.near

    def _beyond_walls(self, positions: Floats, slopes: Floats) -> float:
        assert self._walls is not None
        height, stiffness = positions[:, 2], (2.0 * self._wall_contact) ** 2
        beyond = np.minimum(height - self._walls[0], 0.0) + np.maximum(height - self._walls[1], 0.0)
        slopes[:, 2] += 2.0 * stiffness * beyond
        self.deepest = max(self.deepest, float(np.abs(beyond).max()) / self._wall_contact)
        return float(stiffness * (beyond @ beyond))

    def _of_molecules(self, slopes: Floats, arms: Floats, turns: Floats) -> Floats:
        """Derivatives by the variables: the torque goes through the Jacobian of the rotation vector."""
        pushes = np.add.reduceat(slopes, self._first, axis=0)
        torques = np.add.reduceat(np.cross(arms, slopes), self._first, axis=0)
        angle = np.linalg.norm(turns, axis=1, keepdims=True)
        small = angle < 1e-4
        safe = np.where(small, 1.0, angle)
        one = np.where(small, 0.5, (1.0 - np.cos(safe)) / safe**2)
        two = np.where(small, 1.0 / 6.0, (safe - np.sin(safe)) / safe**3)
        across = np.cross(turns, torques)
        torques = torques - one * across + two * np.cross(turns, across)
        return np.concatenate([pushes, torques / self._size]).ravel()
