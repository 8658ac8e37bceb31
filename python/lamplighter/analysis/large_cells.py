"""Pairs of near atoms in cells that are wide against their distance, with memory for little more than the pairs.

ASE's neighbour search holds all pairs of atoms of neighbouring bins at once: 10 KiB an atom in a molecular liquid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lamplighter.analysis.cell_heights import heights
from lamplighter.arrays import Floats, Integers

_WIDTHS = 3.0
"""A cell is wide where it repeats no sooner than after so many distances: no pair is near through two images."""


def is_wide(cell: Floats, repeats: NDArray[np.bool_], r_max: float) -> bool:
    """Whether `pairs_in_wide_cell` serves; cell vectors as rows, Å, those that do not repeat may be zero."""
    if not repeats.any():
        return True
    return bool(repeats.all() and np.all(heights(cell) > _WIDTHS * r_max))


def pairs_in_wide_cell(
    positions: Floats, cell: Floats, repeats: NDArray[np.bool_], r_max: float
) -> tuple[Integers, Integers, Floats]:
    """All pairs of atoms nearer than `r_max` through any image, each once.

    Args:
        positions: Å, shape (n, 3), finite, wrapped or not.
        cell: Cell vectors as rows, Å, shape (3, 3).
        repeats: Which of them repeat, shape (3,): all or none.
        r_max: Å; the cell must be wide against it (`is_wide`).

    Returns:
        Lower and higher places, shape (m,), and distances, Å, shape (m,).
    """
    n = len(positions)
    places, atoms = positions, np.arange(n)
    if repeats.any():
        fractions = positions @ np.linalg.inv(cell)
        fractions -= np.floor(fractions)
        margins = r_max / heights(cell)
        for axis in range(3):
            along = fractions[:, axis]
            low, high = np.flatnonzero(along < margins[axis]), np.flatnonzero(along > 1.0 - margins[axis])
            step = np.eye(3)[axis]
            # images of images, too, along the next axes: the edges and corners
            fractions = np.concatenate([fractions, fractions[low] + step, fractions[high] - step])
            atoms = np.concatenate([atoms, atoms[low], atoms[high]])
        places = fractions @ cell
    pairs = cKDTree(places).query_pairs(r_max, output_type="ndarray")
    first, second = atoms[pairs[:, 0]], atoms[pairs[:, 1]]
    # of a pair with an image, once as the lower atom itself with an image of the higher one
    once = (pairs[:, 0] < n) & (first < second)
    once |= (pairs[:, 1] < n) & (second < first)
    pairs, first, second = pairs[once], first[once], second[once]
    distances: Floats = np.linalg.norm(places[pairs[:, 1]] - places[pairs[:, 0]], axis=1)
    return np.minimum(first, second), np.maximum(first, second), distances
