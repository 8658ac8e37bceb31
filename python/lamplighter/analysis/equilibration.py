"""Where a series has forgotten its start.

Source: K. P. White Jr., Simulation 69, 323 (1997) (the marginal standard error rule, MSER); K. P. White Jr.,
M. J. Cobb, S. C. Spratt, Proc. Winter Simulation Conf. 2000, 755 (MSER-5: on means of five samples; no cut beyond the
middle).
Why this one is said in `docs/theory/density.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lamplighter.analysis.series import mean_with_error

METHOD = "smallest marginal standard error (MSER-5, White 1997)"

_BLOCK = 5


@dataclass(frozen=True)
class Equilibration:
    """Where production begins.

    Attributes:
        start: First sample of production.
        n_effective: Independent samples from there on; nan: not known.
        method: How it was found.
        unsettled: The series has not settled by its middle, where the cut is.
        note: Why it was not found; empty otherwise.
    """

    start: int
    n_effective: float
    method: str = METHOD
    unsettled: bool = False
    note: str = ""


def detect_equilibration(series: ArrayLike) -> Equilibration:
    """The cut d that minimises the marginal standard error, Σ_{i>d} (x_i − x̄_d)² / (n − d)², x̄_d the mean after it.

    Cuts up to the middle are tried: what is left of a series after a later one is too short to show how slowly it
    moves, and looks settled wherever it lies.

    Args:
        series: Samples at equal intervals, shape (N,), all finite.

    Returns:
        The cut; where the last one that is tried is the best, the series has not settled, which a note says.
    """
    x = np.asarray(series, dtype=np.float64)
    size = _BLOCK if len(x) >= 10 * _BLOCK else 1
    n = len(x) // size
    if n < 2:
        return Equilibration(0, float("nan"), note="too few samples to tell: nothing was discarded")
    y = x[: n * size].reshape(n, size).mean(axis=1)
    y = y - y.mean()  # so that the sums of squares keep their digits
    left = n - np.arange(n // 2 + 1)
    total, squares = (np.cumsum(each[::-1])[::-1][: n // 2 + 1] for each in (y, y**2))
    error = (squares - total**2 / left) / left.astype(np.float64) ** 2
    start = int(np.argmin(error))
    if start == n // 2:
        note = "the series has not settled by its middle: the first half was discarded"
        return Equilibration(len(x) // 2, float("nan"), unsettled=True, note=note)
    return Equilibration(start * size, mean_with_error(x[start * size :]).n_effective)
