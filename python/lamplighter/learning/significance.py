"""Whether two means differ beyond the spread of what they are means of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

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
    if noise <= float(np.std(one, ddof=1)):
        return float(stats.ttest_ind(one, other, equal_var=False).pvalue)
    variances = [noise**2 / len(one), float(np.var(other, ddof=1)) / len(other)]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / (len(one) - 1) + variances[1] ** 2 / (len(other) - 1))
    t = abs(float(np.mean(one) - np.mean(other))) / math.sqrt(sum(variances))
    return float(2.0 * stats.t.sf(t, freedom))


def holm(given: Sequence[float]) -> list[float]:
    """Holm's correction of several p-values (S. Holm, Scand. J. Statist. 6, 65 (1979)); nan stays nan."""
    known = sorted((p, place) for place, p in enumerate(given) if not math.isnan(p))
    made, largest = [math.nan] * len(given), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        made[place] = largest
    return made
