"""Frames that show nearly the same: the same atoms in the same order, at nearly the same places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import find_mic


def displacement(first: Atoms, second: Atoms) -> float:
    """Root mean square displacement between two frames of the same atoms, Å; inf: they are of other atoms.

    Periodic frames are compared at scaled positions in the mean of both cells, by minimum images; of both kinds the
    mean displacement of all atoms is taken out. Rotations are not: frames of one run hardly differ by them alone.
    """
    if len(first) != len(second) or not np.array_equal(first.numbers, second.numbers):
        return float("inf")
    if not np.array_equal(first.pbc, second.pbc):
        return float("inf")
    if not len(first):
        return 0.0
    if not first.pbc.any():
        away = second.positions - first.positions
    else:
        cell = 0.5 * (first.cell.array + second.cell.array)
        scaled = second.get_scaled_positions(wrap=False) - first.get_scaled_positions(wrap=False)
        away = find_mic(scaled @ cell, cell, pbc=first.pbc)[0]
    away = away - away.mean(axis=0)
    return float(np.sqrt((away**2).sum(axis=1).mean()))


def without_near_duplicates(frames: Sequence[Atoms], least: float) -> tuple[list[int], dict[int, int]]:
    """Which frames are kept, the earlier one of two that are alike.

    Args:
        frames: In the order of preference.
        least: Root mean square displacement below which two frames count as one, Å; 0: all are kept.

    Returns:
        Places of the frames that are kept, and for each other one the place of the frame that it repeats.
    """
    kept: list[int] = []
    repeats: dict[int, int] = {}
    for place, frame in enumerate(frames):
        same = next((each for each in kept if displacement(frames[each], frame) < least), None)
        if same is None:
            kept.append(place)
        else:
            repeats[place] = same
    return kept, repeats
