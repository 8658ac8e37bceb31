"""Means and drifts of correlated time series, with honest standard errors.

Successive samples of a molecular-dynamics run are correlated, so the textbook error s/√N is too small by
the square root of the statistical inefficiency g. Here g comes from the Γ-method: the autocorrelation
function is summed up to a window that the data themselves choose, and corrected for the bias that comes
from subtracting the sample's own mean.

Sources:
    U. Wolff, Comput. Phys. Commun. 156, 143 (2004), section 3 (Γ-method, automatic window, bias).
    N. Madras, A. D. Sokal, J. Stat. Phys. 50, 109 (1988) (integrated autocorrelation time).
    J. D. Chodera et al., J. Chem. Theory Comput. 3, 26 (2007) (statistical inefficiency g).

The formulas are written out in `docs/theory/statistics.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

METHOD_MEAN = "mean; error from the integrated autocorrelation time (Wolff 2004)"
METHOD_DRIFT = "least-squares line; error widened by the residuals' autocorrelation (Wolff 2004)"

CONSTANT = "the series is constant: it holds no information about its fluctuations"
"""Note of an estimate without error bar, where all samples are the same."""

MIN_SAMPLES = 10
"""Fewer samples than this carry no error bar."""

MIN_EFFECTIVE = 10.0
"""Fewer independent samples than this carry no error bar: the correlation time itself is not resolved."""

WINDOW_RATIO = 1.5
"""Wolff's S: the assumed ratio of the exponential to the integrated autocorrelation time."""


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty and how both were obtained.

    Attributes:
        value: The estimate, in `unit`.
        standard_error: One standard error of `value`, in `unit`; nan where the data cannot tell (see `note`).
        unit: Unit of `value` and `standard_error`, e.g. "K".
        method: How value and error were computed.
        n_samples: Number of samples used.
        statistical_inefficiency: g ≥ 0, the number of samples that carry as much as one independent sample;
            1 for white noise, below 1 for anticorrelated series, nan where unknown.
        n_effective: n_samples / g; nan where unknown.
        note: Why the error is nan; empty otherwise.
    """

    value: float
    standard_error: float
    unit: str
    method: str
    n_samples: int
    statistical_inefficiency: float
    n_effective: float
    note: str = ""

    def __str__(self) -> str:
        if self.note == CONSTANT:  # the density where the volume is fixed
            return f"{self.value:.5g} {self.unit} (constant)"
        text = format_with_error(self.value, self.standard_error, self.unit)
        return text.removesuffix(" (no error bar)") + f" (no error bar: {self.note})" if self.note else text


def format_with_error(value: float | None, error: float | None, unit: str) -> str:
    """A value and its standard error, rounded to two digits of the error: `0.9231 ± 0.0042 g/cm³`.

    Without an error, five digits of the value; without a value, `not available`.
    """
    if value is None or not math.isfinite(value):
        return "not available"
    if error is None or not math.isfinite(error) or error <= 0.0:
        return f"{value:.5g} {unit} (no error bar)"
    decimals = 1 - math.floor(math.log10(error))
    if decimals <= 0:
        return f"{round(value, decimals):.0f} ± {round(error, decimals):.0f} {unit}"
    return f"{value:.{decimals}f} ± {error:.{decimals}f} {unit}"


def autocovariance(series: ArrayLike) -> NDArray[np.float64]:
    """Autocovariance Γ(t) = 1/(N − t) Σ_i (x_i − x̄)(x_{i+t} − x̄) for t = 0 … N − 1.

    Args:
        series: Samples at equal intervals, shape (N,), N ≥ 1, all finite.

    Returns:
        Γ, shape (N,), in the square of the series' unit; computed with a zero-padded FFT.
    """
    x = np.asarray(series, dtype=np.float64)
    deviation = x - x.mean()
    n = len(x)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(deviation, size)
    lagged_sums = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n]
    return lagged_sums / np.arange(n, 0, -1)


def _long_run_variance(series: NDArray[np.float64]) -> tuple[float, float] | None:
    """Long-run variance C = Γ(0) + 2 Σ_{t=1}^{W} Γ(t) and inefficiency g = C/Γ(0); None where unresolved.

    The window W is the first at which exp(−W/τ) − τ/√(W N) is negative (Wolff 2004, section 3): there the
    truncation bias falls below the statistical noise. Γ is then shifted by C/N, the bias of the sample mean.
    τ is taken from the sum of |Γ| instead of Γ, so that the window of an oscillating series (a pressure) spans the
    envelope of its oscillations and does not end at the first one.
    """
    n = len(series)
    gamma = autocovariance(series)
    lags = np.arange(1, n // 2)
    tau_int = 0.5 + np.cumsum(np.abs(gamma[1 : n // 2])) / gamma[0]
    with np.errstate(divide="ignore"):  # where nothing is correlated at all, τ is 0
        tau = WINDOW_RATIO / np.log((2.0 * tau_int + 1.0) / (2.0 * tau_int - 1.0))
        criterion = np.exp(-lags / tau) - tau / np.sqrt(lags * n)
    negative = np.flatnonzero(criterion < 0.0)
    if len(negative) == 0:
        return None
    window = int(lags[negative[0]])
    long_run = gamma[0] + 2.0 * gamma[1 : window + 1].sum()
    if long_run <= 0.0:
        return None
    corrected = gamma[: window + 1] + long_run / n
    long_run = float(corrected[0] + 2.0 * corrected[1:].sum())
    return long_run, long_run / float(corrected[0])


def mean_with_error(series: ArrayLike, unit: str = "") -> Estimate:
    """Mean of a correlated series with a standard error that accounts for the correlation.

    Args:
        series: Samples at equal intervals of time, shape (N,).
        unit: Unit of the samples; only copied into the result.

    Returns:
        The mean; its error is sqrt(C/N) with the long-run variance C (Wolff 2004). The error is nan, and `note` says
        why, for: no samples, values that are not finite, a constant series, fewer than `MIN_SAMPLES` samples,
        and series too short to resolve their own correlation time (fewer than `MIN_EFFECTIVE`
        independent samples).

    Raises:
        ValueError: `series` is not one-dimensional.
    """
    x = _one_dimensional(series, "series")
    n = len(x)

    def without_error(value: float, note: str, g: float = math.nan) -> Estimate:
        return Estimate(value, math.nan, unit, METHOD_MEAN, n, g, n / g if g > 0 else math.nan, note)

    if n == 0:
        return without_error(math.nan, "no samples")
    n_bad = int(n - np.isfinite(x).sum())
    if n_bad:
        return without_error(math.nan, f"{n_bad} of {n} values are not finite")
    mean = float(x.mean())
    if n < MIN_SAMPLES:
        return without_error(mean, f"only {n} samples, fewer than {MIN_SAMPLES}")
    if _is_constant(x):
        return without_error(mean, CONSTANT)
    resolved = _long_run_variance(x)
    if resolved is None:
        return without_error(mean, f"the correlation time is not resolved by {n} samples")
    long_run, g = resolved
    if n / g < MIN_EFFECTIVE:
        return without_error(
            mean,
            f"about {n / g:.1f} independent samples, fewer than {MIN_EFFECTIVE:g}",
            g,
        )
    return Estimate(mean, math.sqrt(long_run / n), unit, METHOD_MEAN, n, g, n / g)


def drift(time: ArrayLike, series: ArrayLike, unit: str = "") -> Estimate:
    """Slope of the least-squares line through a series, with its standard error.

    Args:
        time: Times of the samples, shape (N,), equally spaced, in any unit of time.
        series: Samples, shape (N,).
        unit: Unit of the slope (unit of `series` per unit of `time`); only copied into the result.

    Returns:
        The slope; its error is the ordinary least-squares error for white residuals times √g, with g the statistical
        inefficiency of the residuals (never less than 1 is assumed). The error is nan, and `note` says why, under the
        same conditions as in `mean_with_error`; a series that lies exactly on a line has no error either.

    Raises:
        ValueError: an argument is not one-dimensional, or the lengths differ.
    """
    t = _one_dimensional(time, "time")
    x = _one_dimensional(series, "series")
    n = len(x)
    if len(t) != n:
        raise ValueError(f"time and series must have the same length, got {len(t)} and {n}")

    def without_error(value: float, note: str, g: float = math.nan) -> Estimate:
        return Estimate(value, math.nan, unit, METHOD_DRIFT, n, g, n / g if g > 0 else math.nan, note)

    n_bad = int(n - (np.isfinite(x) & np.isfinite(t)).sum())
    if n_bad:
        return without_error(math.nan, f"{n_bad} of {n} values are not finite")
    if n < 2 or _is_constant(t):
        return without_error(math.nan, f"a slope needs at least 2 different times, got {n} samples")
    centred = t - t.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (x - x.mean())) / spread
    if n < MIN_SAMPLES:
        return without_error(slope, f"only {n} samples, fewer than {MIN_SAMPLES}")
    residual = x - x.mean() - slope * centred
    if math.sqrt(float(residual @ residual) / n) <= 1e-13 * max(1.0, float(np.abs(x).max())):
        return without_error(slope, "the series lies exactly on a line: there are no fluctuations to judge it by")
    resolved = _long_run_variance(residual)
    if resolved is None:
        return without_error(slope, f"the correlation time is not resolved by {n} samples")
    g = max(1.0, resolved[1])
    if n / g < MIN_EFFECTIVE:
        return without_error(
            slope,
            f"about {n / g:.1f} independent samples, fewer than {MIN_EFFECTIVE:g}",
            g,
        )
    white_variance = float(residual @ residual) / (n - 2) / spread
    return Estimate(slope, math.sqrt(white_variance * g), unit, METHOD_DRIFT, n, g, n / g)


def _one_dimensional(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (N,), got shape {array.shape}")
    return array


def _is_constant(x: NDArray[np.float64]) -> bool:
    return float(np.ptp(x)) <= 1e-13 * max(float(np.abs(x).max()), 1e-300)
