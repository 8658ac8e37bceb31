"""How near molecules come to each other, through all images, and whether one is threaded through a ring of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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


def between_molecules(positions: Floats, cell: Floats, molecule: Integers, r_max: float) -> Contacts:
    """Atoms of two molecules that are nearer than `r_max`; the cell repeats in all directions.

    Args:
        positions: Å, shape (n, 3), molecules whole.
        cell: Cell vectors as rows, Å, shape (3, 3).
        molecule: Of each atom, shape (n,).
        r_max: Å.
    """
    inside, shift = _wrapped(positions, cell)
    of, images, steps = _images(inside, cell, r_max)
    tree = cKDTree(inside @ cell)
    near = tree.query_ball_point(images @ cell, r_max)
    counts = np.fromiter((len(each) for each in near), dtype=np.int64, count=len(near))
    if counts.sum() == 0:
        return Contacts(np.empty((0, 2), dtype=np.int64), np.empty(0))
    first = np.concatenate([np.asarray(each, dtype=np.int64) for each in near if each])
    image = np.repeat(np.arange(len(near)), counts)
    second = of[image]
    # two atoms of one molecule in the same copy of it
    own = (molecule[first] == molecule[second]) & (shift[first] == shift[second] - steps[image]).all(axis=1)
    kept = ~own & (first <= second)
    first, second, image = first[kept], second[kept], image[kept]
    distances = np.linalg.norm(inside[first] @ cell - images[image] @ cell, axis=1)
    return Contacts(np.stack([first, second], axis=1), distances)


def threaded(
    positions: Floats, cell: Floats, bonds: Integers, rings: list[list[int]], molecule: Integers
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
    corners = [positions[ring] for ring in rings]
    centres = np.array([each.mean(axis=0) for each in corners])
    reach = max(float(np.linalg.norm(each - each.mean(axis=0), axis=1).max()) for each in corners)
    r_max = reach + 0.5 * float(lengths.max())
    inside, _ = _wrapped(middles, cell)
    of, images, _ = _images(inside, cell, r_max)
    tree = cKDTree(images @ cell)
    found = []
    wrapped, moved = _wrapped(centres, cell)
    for place, near in enumerate(tree.query_ball_point(wrapped @ cell, r_max)):
        for image in near:
            bond = int(of[image])
            if molecule[bonds[bond, 0]] == molecule[rings[place][0]]:
                continue
            offset = images[image] @ cell - middles[bond]
            ring = corners[place] - moved[place] @ cell
            if _crosses(ends[bond] + offset, ring):
                found.append((place, bond))
    return found


def _crosses(segment: Floats, ring: Floats) -> bool:
    """Whether a segment passes through one of the triangles of a ring (Möller, Trumbore, 1997)."""
    origin, direction = segment[0], segment[1] - segment[0]
    centre = ring.mean(axis=0)
    for one, other in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        edge, side = one - centre, other - centre
        normal = np.cross(direction, side)
        determinant = float(edge @ normal)
        if abs(determinant) < 1e-12:
            continue
        away = origin - centre
        u = float(away @ normal) / determinant
        across = np.cross(away, edge)
        v, t = float(direction @ across) / determinant, float(side @ across) / determinant
        if u >= 0.0 and v >= 0.0 and u + v <= 1.0 and 0.0 <= t <= 1.0:
            return True
    return False


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
