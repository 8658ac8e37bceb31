"""How far opposite faces of a cell are apart, and how wide a layer of it has no atom."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import Floats


def heights(cell: Floats) -> Floats:
    """Distances between opposite faces, Å, shape (3,); cell vectors as rows, Å, shape (3, 3), of which none is zero."""
    found: Floats = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    return found


def widest_gaps(positions: Floats, corner: Floats, cell: Floats) -> Floats:
    """The widest layer without an atom across each vector of a periodic cell.

    Args:
        positions: Å, shape (n, 3), wrapped or not.
        corner: Of the cell, Å, shape (3,).
        cell: Its vectors as rows, Å, shape (3, 3).

    Returns:
        Å, between planes of the two other vectors, shape (3,).
    """
    fractions = np.sort(((positions - corner) @ np.linalg.inv(cell)) % 1.0, axis=0)
    gaps: Floats = np.diff(fractions, axis=0, append=fractions[:1] + 1.0).max(axis=0) * heights(cell)
    return gaps
