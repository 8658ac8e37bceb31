"""How long trajectories of one kind hold: mean, survival curve and median of times that may be censored.

A trajectory that ended without a failure says only that it holds for longer than it ran (right-censored).

Sources:
    E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53, 457 (1958), as `scipy.stats.ecdf` has it.
    R. Brookmeyer, J. Crowley, Biometrics 38, 29 (1982) (interval of the median from the band of the curve).

The formulas are written out in `docs/theory/stability.md`.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats

METHOD_MEAN = "mean of the observed times; error s/√n over independent runs"
METHOD_CURVE = "Kaplan-Meier (scipy.stats.ecdf), log-log band with Greenwood's variance"


@dataclass(frozen=True)
class SurvivalCurve:
    """Probability that a trajectory has not failed by time t: a step function, 1 before the first of `times`.

    Attributes:
        times: Times of failures, ascending and without repetition, shape (m,).
        survival: Probability from each of them on, shape (m,).
        low, high: Confidence band, shape (m,).
        confidence_level: Of the band and of the median's interval.
        median: First time at which `survival` is at most ½; inf: not reached.
        median_low, median_high: Its interval; inf: not bounded by these data.
        method: How it was obtained.
    """

    times: Floats
    survival: Floats
    low: Floats
    high: Floats
    confidence_level: float
    median: float
    median_low: float
    median_high: float
    method: str = METHOD_CURVE

    def at(self, time: float) -> tuple[float, float, float]:
        """Survival probability at a time, and its band; (1, 1, 1) before the first failure."""
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        if place < 0:
            return 1.0, 1.0, 1.0
        return float(self.survival[place]), float(self.low[place]), float(self.high[place])


def kaplan_meier(times: ArrayLike, failed: ArrayLike, confidence_level: float = 0.95) -> SurvivalCurve:
    """Kaplan-Meier estimate of the survival curve.

    Where the curve is 0, Greenwood's variance does not exist: the band is then 0 to its last upper bound.

    Args:
        times: Time of the failure, or of the end without one; shape (n,), n ≥ 1, ≥ 0.
        failed: Whether it failed, shape (n,).
        confidence_level: Between 0 and 1.

    Raises:
        ValueError: no times, negative or non-finite ones, different lengths, or a level outside of (0, 1).
    """
    t, event = _checked(times, failed)
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence level must lie between 0 and 1, got {confidence_level:g}")
    if not event.any():
        empty = np.empty(0)
        return SurvivalCurve(empty, empty, empty, empty, confidence_level, math.inf, math.inf, math.inf)
    curve = stats.ecdf(stats.CensoredData(uncensored=t[event], right=t[~event])).sf
    with warnings.catch_warnings():  # it warns of nan where the curve is 0 or 1
        warnings.simplefilter("ignore")
        band = curve.confidence_interval(confidence_level=confidence_level, method="log-log")
    there = np.isin(curve.quantiles, t[event])
    survival = np.asarray(curve.probabilities[there], dtype=np.float64)
    low = np.nan_to_num(np.asarray(band.low.probabilities[there], dtype=np.float64), nan=0.0)
    high = np.asarray(band.high.probabilities[there], dtype=np.float64)
    for place in np.flatnonzero(np.isnan(high)):
        high[place] = high[place - 1] if place else 1.0
    at = np.asarray(curve.quantiles[there], dtype=np.float64)
    median, median_low, median_high = (_first_at_most_half(at, values) for values in (survival, low, high))
    return SurvivalCurve(at, survival, low, high, confidence_level, median, median_low, median_high)


def mean_time(times: ArrayLike, failed: ArrayLike, unit: str = "ps") -> Estimate:
    """Mean of the observed times with its standard error over runs.

    Censored times enter as they are, so with any of them this is a lower bound of the mean time to failure.

    Raises:
        ValueError: as `kaplan_meier`.
    """
    t, _ = _checked(times, failed)
    n = len(t)
    if n < 2:
        return Estimate(float(t.mean()), math.nan, unit, METHOD_MEAN, n, 1.0, float(n), "one run has no spread")
    return Estimate(float(t.mean()), float(t.std(ddof=1)) / math.sqrt(n), unit, METHOD_MEAN, n, 1.0, float(n))


def _first_at_most_half(times: Floats, survival: Floats) -> float:
    below = np.flatnonzero(survival <= 0.5 + 1e-12)
    return float(times[below[0]]) if len(below) else math.inf


def _checked(times: ArrayLike, failed: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    t = np.asarray(times, dtype=np.float64)
    event = np.asarray(failed, dtype=bool)
    if t.ndim != 1 or t.shape != event.shape or len(t) == 0:
        raise ValueError(f"times and failures must have the same shape (n,), n ≥ 1, got {t.shape} and {event.shape}")
    if not (np.isfinite(t).all() and (t >= 0.0).all()):
        raise ValueError("times must be finite and not negative")
    return t, event
