"""Pairs of atoms that are near each other, by MDAnalysis' neighbour search, or ASE's where that refuses the cell."""

from __future__ import annotations

import numpy as np
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray

from lamplighter.analysis.cell_heights import heights
from lamplighter.analysis.stability import Booleans
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import LamplighterError
from lamplighter.structures.mdanalysis_trajectory import without_remarks


def pairs_within(positions: Floats, cell: Floats, periodic: Booleans, r_max: float) -> tuple[Integers, Floats]:
    """All pairs of atoms nearer than `r_max`, through the nearest image.

    MDAnalysis works in single precision: distances are right to about 1e-6 of the edge of the cell.

    Args:
        positions: Å, shape (n, 3), finite, wrapped or not.
        cell: Cell vectors as rows, Å, shape (3, 3).
        periodic: Which of them repeat, shape (3,).
        r_max: Å, at most `half_width`.

    Returns:
        Pairs (lower place first), shape (m, 2), and their distances, Å, shape (m,).

    Raises:
        LamplighterError: MDAnalysis is not installed.
    """
    without_remarks()
    try:
        from MDAnalysis.lib.distances import self_capped_distance
        from MDAnalysis.lib.mdamath import triclinic_vectors
    except ImportError:
        raise LamplighterError("the structure needs MDAnalysis: pip install 'lamplighter[analysis]'") from None
    repeats = periodic & cell.any(axis=1)
    if len(positions) == 0:
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    if not repeats.any():
        pairs, distances = self_capped_distance(positions - positions.mean(axis=0), r_max)
        return pairs.astype(np.int64), distances
    r_max = min(r_max, (1.0 - 1e-6) * half_width(cell, periodic))  # its grid refuses half of the box, rounded up
    whole = _closed(positions, cell, repeats, r_max)
    inside = positions @ np.linalg.inv(whole)
    inside -= np.floor(inside)
    lengths = np.linalg.norm(whole, axis=1)
    cosines = [whole[i] @ whole[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    box = np.array([*lengths, *np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))], dtype=np.float32)
    # its own orientation of the cell, whatever that of the file is
    try:
        pairs, distances = self_capped_distance(inside @ triclinic_vectors(box, dtype=np.float64), r_max, box=box)
    except ValueError:  # of tilted cells its grid takes less than half of the width
        return _pairs_of_ase(inside @ whole, whole, r_max)
    return pairs.astype(np.int64), distances


def _pairs_of_ase(positions: Floats, cell: Floats, r_max: float) -> tuple[Integers, Floats]:
    """The same by ASE, slower, for any cell that repeats in all directions."""
    first, second, distances = primitive_neighbor_list("ijd", np.ones(3, dtype=bool), cell, positions, r_max)
    once = first < second
    return np.stack([first[once], second[once]], axis=1).astype(np.int64), distances[once]


def half_width(cell: Floats, periodic: NDArray[np.bool_]) -> float:
    """Half of the smallest distance between opposite faces of the cell, Å; infinite where nothing repeats.

    Up to there every image of an atom but the nearest is too far away to count.
    """
    repeats = periodic & cell.any(axis=1)
    if not repeats.any():
        return float("inf")
    whole = _with_normals(cell, repeats)
    return 0.5 * float(heights(whole)[repeats].min())


def _closed(positions: Floats, cell: Floats, repeats: Booleans, r_max: float) -> Floats:
    """The cell, with vectors that do not repeat made so long that images along them are out of reach."""
    whole = _with_normals(cell, repeats)
    for axis in np.flatnonzero(~repeats):
        along = positions @ np.linalg.inv(whole)[:, axis]
        whole[axis] *= float(np.ptp(along)) + 2.0 * r_max + 1.0
    return whole


def _with_normals(cell: Floats, repeats: Booleans) -> Floats:
    """The cell with unit vectors that stand upon the others in the place of those that do not repeat."""
    whole = np.where(repeats[:, None], cell, 0.0)
    others = np.linalg.svd(whole[repeats])[2][int(repeats.sum()) :]
    whole[~repeats] = others
    return whole
