"""How far opposite faces of a cell are apart."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import Floats


def heights(cell: Floats) -> Floats:
    """Distances between opposite faces, Å, shape (3,); cell vectors as rows, Å, shape (3, 3), of which none is zero."""
    found: Floats = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    return found
