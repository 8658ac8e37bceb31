"""Molecules of a periodic frame put together again where the cell cuts them."""

from __future__ import annotations

import numpy as np
from ase.geometry import find_mic
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lamplighter.analysis.stability import Booleans
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import StructureError


def whole_molecules(positions: Floats, pairs: Integers, cell: Floats, periodic: Booleans) -> Floats:
    """Positions in which bonded atoms are nearest images of each other; the first atom of each molecule stays.

    Args:
        positions: Å, shape (n, 3), finite, wrapped or not.
        pairs: Bonds by places of atoms, shape (m, 2), e.g. of `stability.bonds_by_distance`.
        cell: Cell vectors as rows, Å, shape (3, 3).
        periodic: Which of them repeat, shape (3,).

    Returns:
        Å, shape (n, 3); each differs from the given one by whole cell vectors.

    Raises:
        StructureError: a molecule is bonded to its own image, so that it has no end.
    """
    repeats = periodic & cell.any(axis=1)
    if not repeats.any() or len(pairs) == 0:
        return positions.copy()
    first, second = pairs[:, 0], pairs[:, 1]
    across = positions[second] - positions[first]
    shift = find_mic(across, cell, repeats)[0] - across  # of the second atom, seen from the first
    moved = np.zeros_like(positions)
    graph = coo_matrix((np.ones(len(pairs)), (first, second)), shape=(len(positions), len(positions)))
    label = connected_components(graph, directed=False)[1]
    known = np.zeros(len(positions), dtype=bool)
    known[np.unique(label, return_index=True)[1]] = True
    while not known.all():
        for a, b, step in ((first, second, shift), (second, first, -shift)):
            reached = known[a] & ~known[b]
            moved[b[reached]] = moved[a[reached]] + step[reached]
            known[b[reached]] = True
    apart = np.abs(moved[second] - moved[first] - shift).max(axis=1)
    wrong = np.flatnonzero(apart > 1e-6)
    if len(wrong):
        i, j = pairs[wrong[0]]
        raise StructureError(
            f"atoms {i} and {j} are bonded through the cell into a molecule without an end, so it cannot be taken out "
            "(is the cell too small, or the tolerance of bonds too large?)"
        )
    return positions + moved
