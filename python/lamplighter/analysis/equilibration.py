"""Where a series has forgotten its start.

Source: J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016): of all cuts, the one that leaves the largest number of
independent samples. Written out in `docs/density.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lamplighter.analysis.series import MIN_SAMPLES, mean_with_error

METHOD = "largest number of independent samples (Chodera 2016)"


@dataclass(frozen=True)
class Equilibration:
    """Where production begins.

    Attributes:
        start: First sample of production.
        n_effective: Independent samples from there on; nan: it was not found.
        method: How it was found.
        note: Why it was not found; empty otherwise.
    """

    start: int
    n_effective: float
    method: str = METHOD
    note: str = ""


def detect_equilibration(series: ArrayLike, n_candidates: int = 100) -> Equilibration:
    """The cut t₀ that maximises N_eff(t₀) = (N − t₀) / g(t₀), with g ≥ 1 the statistical inefficiency of what is left.

    g comes from `series.mean_with_error` (Γ-method); cuts at which it is not resolved do not count.

    Args:
        series: Samples at equal intervals, shape (N,), all finite.
        n_candidates: Cuts that are tried, evenly from 0 to N.

    Returns:
        The cut; where no cut resolves the correlation time, the middle of the series, with a note.
    """
    x = np.asarray(series, dtype=np.float64)
    n = len(x)
    best, most = 0, 0.0
    for start in np.unique(np.linspace(0, max(n - MIN_SAMPLES, 0), n_candidates, dtype=np.int64)):
        estimate = mean_with_error(x[start:])
        if estimate.note:
            continue
        n_effective = estimate.n_samples / max(estimate.statistical_inefficiency, 1.0)
        if n_effective > most:
            best, most = int(start), n_effective
    if most == 0.0:
        note = "no cut leaves a series that resolves its own correlation time: the first half was discarded"
        return Equilibration(n // 2, float("nan"), note=note)
    return Equilibration(best, most)
