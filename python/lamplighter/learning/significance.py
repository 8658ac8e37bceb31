"""Whether two means differ beyond the spread of what they are means of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.stats import ttest_ind

LEVEL = 0.05
"""Of p, below which two means are said to differ."""


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """p of Welch's t-test, that two means are the same; nan where one of both is a single number."""
    if min(len(one), len(other)) < 2:
        return math.nan
    return float(ttest_ind(one, other, equal_var=False).pvalue)


def holm(given: Sequence[float]) -> list[float]:
    """Holm's correction of several p-values (S. Holm, Scand. J. Statist. 6, 65 (1979)); nan stays nan."""
    known = sorted((p, place) for place, p in enumerate(given) if not math.isnan(p))
    made, largest = [math.nan] * len(given), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        made[place] = largest
    return made
