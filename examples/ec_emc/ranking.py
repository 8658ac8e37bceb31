"""How well a measure of uncertainty tells atoms of large error from others, and in which order it puts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

SEED = 1
WORST = 0.9  # quantile of the errors beyond which an atom is to be found


def area(measure: np.ndarray, error: np.ndarray, limit: float) -> float:
    """Under the ROC curve: the chance that an atom with an error beyond `limit` has the larger measure of two."""
    bad = error > limit
    ranks = rankdata(measure)
    return float((ranks[bad].sum() - bad.sum() * (bad.sum() + 1) / 2) / (bad.sum() * (~bad).sum()))


def spearman(measure: np.ndarray, error: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(measure), rankdata(error))[0, 1])


def with_error(measure: np.ndarray, error: np.ndarray, sizes: Sequence[int], draws: int = 200) -> str:
    """AUROC and Spearman with bootstrap deviations over frames, and Spearman of the frames' largest values.

    Args:
        measure: Of the atoms of all frames, shape (n,).
        error: Of the forces on them, shape (n,), eV/Å.
        sizes: How many atoms each frame has.
        draws: Of the bootstrap.
    """
    rng = np.random.default_rng(SEED)
    limit = float(np.quantile(error, WORST))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    drawn = []
    for _ in range(draws):
        some = rng.integers(len(sizes), size=len(sizes))
        atoms = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in some])
        drawn.append((area(measure[atoms], error[atoms], limit), spearman(measure[atoms], error[atoms])))
    spread = np.std(drawn, axis=0)
    found = (area(measure, error, limit), spearman(measure, error))
    largest = spearman(*(np.maximum.reduceat(values, starts[:-1]) for values in (measure, error)))
    return f"{found[0]:.3f} ± {spread[0]:.3f} | {found[1]:.2f} ± {spread[1]:.2f} | {largest:.2f}"
