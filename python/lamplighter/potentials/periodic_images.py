"""Periodic images of atoms as rows of their own, for evaluators that know no cells."""

from __future__ import annotations

import itertools

import numpy as np

from lamplighter.errors import ModelError

MOST_ROWS = 2_000_000


def with_images(
    positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray]:
    """The atoms of a cell, wrapped into it, and all of their images that may be within the cutoff of one of them.

    Args:
        positions: Å, shape (n, 3).
        cell: Cell vectors as rows, Å, shape (3, 3); of those that do not repeat nothing is used.
        periodic: Which of them repeat, shape (3,).
        cutoff: Å.

    Returns:
        Rows, Å, shape (m, 3), the n atoms first, and of which atom each is an image, int32, shape (m,).

    Raises:
        ModelError: cell vectors that repeat and span no volume, or a cell so flat that there are millions of images.
    """
    x = np.array(positions, dtype=np.float64).reshape(-1, 3)
    owner = np.arange(len(x), dtype=np.int32)
    repeats = np.flatnonzero(periodic)
    if not len(repeats) or not len(x):
        return x, owner
    if np.linalg.matrix_rank(cell[repeats]) < len(repeats):
        raise ModelError("the cell vectors that repeat lie in one plane or line, or one is zero")
    # vectors that do not repeat are replaced by normals, so that heights are those of the others
    whole = np.array(cell, dtype=np.float64)
    whole[~np.asarray(periodic, dtype=bool)] = np.linalg.svd(whole[repeats])[2][len(repeats) :]
    inverse = np.linalg.inv(whole)
    fractions = x @ inverse
    fractions[:, repeats] -= np.floor(fractions[:, repeats])
    margins = cutoff * np.linalg.norm(inverse, axis=0)
    reach = [int(np.ceil(margins[k])) if k in repeats else 0 for k in range(3)]
    if len(x) * np.prod([2.0 * r + 1.0 for r in reach]) > MOST_ROWS * 9:
        raise ModelError(f"the cell is too flat for a cutoff of {cutoff:g} Å: its images are more than {MOST_ROWS}")
    rows, owners = [fractions], [owner]
    for shift in itertools.product(*(range(-r, r + 1) for r in reach)):
        if not any(shift):
            continue
        moved = fractions + np.array(shift, dtype=np.float64)
        near = np.all((moved > -margins) & (moved < 1.0 + margins) | ~np.asarray(periodic, dtype=bool), axis=1)
        rows.append(moved[near])
        owners.append(owner[near])
    return np.ascontiguousarray(np.concatenate(rows) @ whole), np.concatenate(owners)
