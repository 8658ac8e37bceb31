"""How near molecules come to each other, through all images, and whether one is threaded through a ring of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lamplighter.analysis.cell_heights import heights
from lamplighter.arrays import Floats, Integers


@dataclass(frozen=True)
class Contacts:
    """Pairs of atoms of two molecules, or of a molecule and its own image.

    Attributes:
        pairs: Places of the two atoms, shape (m, 2).
        distances: Å, shape (m,).
    """

    pairs: Integers
    distances: Floats

    @property
    def nearest(self) -> float:
        """The smallest distance, Å; infinite where there is none."""
        return float(self.distances.min(initial=np.inf))


@dataclass(frozen=True)
class NearPairs:
    """Pairs of atoms of two molecules, or of a molecule and its own image, one line for each image.

    Attributes:
        first, second: Places of the two atoms, shape (m,), `first` ≤ `second`.
        offset: Their nearness is that of `positions[first] - positions[second] + offset`, Å, shape (m, 3).
        distances: Å, shape (m,).
    """

    first: Integers
    second: Integers
    offset: Floats
    distances: Floats

    def of(self, kept: NDArray[np.bool_]) -> NearPairs:
        """Those that a mask leaves."""
        return NearPairs(self.first[kept], self.second[kept], self.offset[kept], self.distances[kept])


def near_pairs(positions: Floats, cell: Floats, molecule: Integers, r_max: float) -> NearPairs:
    """Atoms of two molecules that are nearer than `r_max`; the cell repeats in all directions.

    Args:
        positions: Å, shape (n, 3), molecules whole.
        cell: Cell vectors as rows, Å, shape (3, 3).
        molecule: Of each atom, shape (n,).
        r_max: Å.
    """
    inside, shift = _wrapped(positions, cell)
    of, images, steps = _images(inside, cell, r_max)
    places = images @ cell
    # atoms of the cell come first among the images, and so in each pair
    first, image = cKDTree(places, balanced_tree=False, compact_nodes=False).query_pairs(r_max, output_type="ndarray").T
    once = (first < len(inside)) & (first <= of[image])
    first, image = first[once], image[once]
    second = of[image]
    # two atoms of one molecule in the same copy of it
    own = (molecule[first] == molecule[second]) & (shift[first] == shift[second] - steps[image]).all(axis=1)
    first, second, image = first[~own], second[~own], image[~own]
    apart = places[first] - places[image]
    offset = apart - (positions[first] - positions[second])
    return NearPairs(first, second, offset, np.linalg.norm(apart, axis=1))


def between_molecules(positions: Floats, cell: Floats, molecule: Integers, r_max: float) -> Contacts:
    """As `near_pairs`, as contacts."""
    near = near_pairs(positions, cell, molecule, r_max)
    return Contacts(np.stack([near.first, near.second], axis=1), near.distances)


def threaded(
    positions: Floats, cell: Floats, bonds: Integers, rings: Sequence[Integers | list[int]], molecule: Integers
) -> list[tuple[int, int]]:
    """Rings that a bond of another molecule passes through: places in `rings` and `bonds`.

    A ring is taken as the triangles between its edges and its centre.

    Args:
        positions, cell, molecule: As `between_molecules`.
        bonds: Pairs of places, shape (m, 2).
        rings: Places of the atoms of each, one after the other.
    """
    if not rings or len(bonds) == 0:
        return []
    ends = positions[bonds]
    middles, lengths = ends.mean(axis=1), np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    centres = np.array([positions[ring].mean(axis=0) for ring in rings])
    reach = max(
        float(np.linalg.norm(positions[ring] - centre, axis=1).max())
        for ring, centre in zip(rings, centres, strict=True)
    )
    r_max = reach + 0.5 * float(lengths.max())
    inside, _ = _wrapped(middles, cell)
    of, images, _ = _images(inside, cell, r_max)
    wrapped, moved = _wrapped(centres, cell)
    near = cKDTree(images @ cell).query_ball_point(wrapped @ cell, r_max, return_sorted=True)
    ring = np.repeat(np.arange(len(rings)), [len(each) for each in near])
    image = np.concatenate([np.asarray(each, dtype=np.int64) for each in near])
    bond = of[image]
    others = molecule[bonds[bond, 0]] != molecule[np.array([each[0] for each in rings])[ring]]
    ring, image, bond = ring[others], image[others], bond[others]
    # each bond as it lies beside the ring, in the copy of the cell that the ring's centre is in
    segments = ends[bond] + (images[image] @ cell - middles[bond] + moved[ring] @ cell)[:, None]
    crossing = np.zeros(len(ring), dtype=bool)
    sizes = np.array([len(each) for each in rings])
    for size in np.unique(sizes):
        some = np.flatnonzero(sizes[ring] == size)
        corners = positions[np.array([rings[place] for place in ring[some]], dtype=np.int64).reshape(-1, size)]
        crossing[some] = _cross(segments[some], corners)
    return [(int(ring[place]), int(bond[place])) for place in np.flatnonzero(crossing)]


def _cross(segments: Floats, corners: Floats) -> NDArray[np.bool_]:
    """Whether segments pass through one of the triangles of their ring (Möller, Trumbore, 1997).

    Args:
        segments: Their ends, shape (n, 2, 3).
        corners: Of the ring of each, one after the other, shape (n, k, 3).
    """
    origin, direction = segments[:, 0, None], (segments[:, 1] - segments[:, 0])[:, None]
    centre = corners.mean(axis=1, keepdims=True)
    edge, side = corners - centre, np.roll(corners, -1, axis=1) - centre
    normal = np.cross(direction, side)
    determinant = (edge * normal).sum(axis=2)
    flat = np.abs(determinant) < 1e-12
    inverse = 1.0 / np.where(flat, 1.0, determinant)
    away = origin - centre
    across = np.cross(away, edge)
    u = (away * normal).sum(axis=2) * inverse
    v, t = (direction * across).sum(axis=2) * inverse, (side * across).sum(axis=2) * inverse
    through = ~flat & (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t >= 0.0) & (t <= 1.0)
    return np.asarray(through.any(axis=1))


def _wrapped(positions: Floats, cell: Floats) -> tuple[Floats, Floats]:
    """Fractional positions in the cell, and the lattice steps that were taken off them."""
    fractional = positions @ np.linalg.inv(cell)
    steps = np.floor(fractional)
    return fractional - steps, steps


def _images(inside: Floats, cell: Floats, r_max: float) -> tuple[Integers, Floats, Floats]:
    """All images within `r_max` of the cell, those in it first: whose they are, where, and by how many steps."""
    margin = r_max / heights(cell)
    reach = np.ceil(margin).astype(int)
    of, places, steps = [np.arange(len(inside))], [inside], [np.zeros_like(inside)]
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    for step in grid[grid.any(axis=1)].astype(np.float64):
        moved = inside + step
        near = np.flatnonzero(((moved > -margin) & (moved < 1.0 + margin)).all(axis=1))
        of.append(near)
        places.append(moved[near])
        steps.append(np.broadcast_to(step, (len(near), 3)))
    return np.concatenate(of).astype(np.int64), np.concatenate(places), np.concatenate(steps)
