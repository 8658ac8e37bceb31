"""Whether two means differ beyond the spread of what they are means of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import ttest_ind, ttest_ind_from_stats

LEVEL = 0.05
"""Of p, below which two means are said to differ."""


def welch(one: Sequence[float], other: Sequence[float], noise: float = 0.0) -> float:
    """p of Welch's t-test, that two means are the same; nan where one of both is a single number.

    Args:
        one, other: Values.
        noise: Standard error that each of `one` has by itself, which their spread is no smaller than but by chance.
    """
    if min(len(one), len(other)) < 2:
        return math.nan
    if noise <= spread(one):
        return float(ttest_ind(one, other, equal_var=False).pvalue)
    of_one, of_other = (np.mean(one), noise, len(one)), (np.mean(other), spread(other), len(other))
    return float(ttest_ind_from_stats(*of_one, *of_other, equal_var=False).pvalue)


def spread(values: Sequence[float]) -> float:
    """Standard deviation of several values."""
    return float(np.std(values, ddof=1))


def holm(given: Sequence[float]) -> list[float]:
    """Holm's correction of several p-values (S. Holm, Scand. J. Statist. 6, 65 (1979)); nan stays nan."""
    known = sorted((p, place) for place, p in enumerate(given) if not math.isnan(p))
    made, largest = [math.nan] * len(given), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        made[place] = largest
    return made
