"""Shear viscosity from the fluctuations of the pressure tensor (Green, Kubo), by time decomposition.

Sources:
    M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7 (the relation).
    Y. Zhang, A. Otani, E. J. Maginn, J. Chem. Theory Comput. 11, 3537 (2015) (pieces, where the integral is cut
    off, its fit, the error).

The formulas are written out in `docs/theory/viscosity.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import constants, fft

from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError

PIECES, MOST_PIECES = 20, 200
"""How many pieces a series is cut into; each is a small simulation of its own."""

PIECE_LENGTH = 25.0
"""How long a piece must be, in units of the time in which the integral comes to `PLATEAU`."""

MIN_PIECES = 10
"""Fewer carry no error bar."""

RELATIVE_SPREAD = 0.4
"""The integral is cut off where the spread of the pieces is this share of their mean (Zhang et al.)."""

PLATEAU = 0.9
"""Share of its limit that the integral must have reached where it is cut off, to count as converged."""

AVERAGED = 0.05
"""Pressures are averaged over this share of the time in which the integral comes to `PLATEAU`."""

RESAMPLINGS = 200
"""Of the pieces, for the error."""

_FEWEST_SAMPLES = 40  # a piece
_RELAXATION_TIMES = 40  # that are tried, equally far apart in their logarithm
_FITTED_LAGS = 200


@dataclass(frozen=True)
class ShearViscosity:
    """The viscosity of one series, with the curves that it was read from; L lags.

    Attributes:
        value: Limit of the fitted integral, mPa s.
        standard_error: From drawing the pieces anew, mPa s; nan with fewer than `MIN_PIECES`.
        n_pieces, piece_ps: How many, and how long each.
        averaged_ps: Over which the pressure was averaged beforehand; the interval of the samples: it was not.
        cutoff_ps: Where the integral is cut off.
        reached: Share of `value` that the fitted integral has reached there.
        relaxation_ps: Longest time of the fit.
        lags_ps: Shape (L,).
        autocorrelation: Of the components of the pressure, bar², shape (L,).
        running, spread: The integral up to each lag, and its standard deviation over pieces, mPa s, shape (L,).
        fitted: The fit, mPa s, shape (L,).
    """

    value: float
    standard_error: float
    n_pieces: int
    piece_ps: float
    averaged_ps: float
    cutoff_ps: float
    reached: float
    relaxation_ps: float
    lags_ps: Floats
    autocorrelation: Floats
    running: Floats
    spread: Floats
    fitted: Floats

    @property
    def converged(self) -> bool:
        """Whether the integral has come to its plateau before it is cut off."""
        return self.reached >= PLATEAU

    def time_of(self, share: float) -> float:
        """When the fit has reached a share of its limit, ps; the last lag, where it has not."""
        there = np.flatnonzero(self.fitted >= share * self.value)
        return float(self.lags_ps[there[0] if len(there) else -1])


def anisotropic_components(pressure: Floats) -> Floats:
    """xy, xz, yz, (xx − yy)/2 and (yy − zz)/2, whose autocorrelations are one in a liquid.

    Args:
        pressure: xx, yy, zz, xy, xz, yz, shape (T, 6).

    Returns:
        Shape (T, 5), in the unit of `pressure`.
    """
    xx, yy, zz, xy, xz, yz = pressure.T
    return np.stack([xy, xz, yz, 0.5 * (xx - yy), 0.5 * (yy - zz)], axis=1)


def shear_viscosity(
    pressure: Floats, interval_ps: float, volume: float, temperature: float, pieces: int | None = None
) -> ShearViscosity:
    """η = V/(k_B T) ∫₀^∞ ⟨P(0) P(t)⟩ dt, averaged over `anisotropic_components`.

    The series is cut into pieces. The mean of their running integrals is fitted by A₁(1 − e^(−t/τ₁)) +
    A₂(1 − e^(−t/τ₂)) with A₁, A₂ ≥ 0, weighted by 1/σ², up to the lag at which σ is `RELATIVE_SPREAD` of the mean;
    σ ∝ t^b is fitted to the standard deviation of the pieces. η = A₁ + A₂.

    Vibrations of bonds oscillate far above what the fit can follow. So it is made twice: the second time of pressures
    averaged over `AVERAGED` of the time that the first one took to its plateau. Averages have the same integral. The
    second time there may also be more pieces, each at least `PIECE_LENGTH` times as long as that time.

    Args:
        pressure: Pressure tensor, bar, shape (T, 6): xx, yy, zz, xy, xz, yz, at equal intervals.
        interval_ps: Between samples.
        volume: Å³.
        temperature: K.
        pieces: How many; None: `PIECES`, up to `MOST_PIECES` the second time.

    Raises:
        LamplighterError: the series is too short, constant, or not finite.
    """
    components = anisotropic_components(np.asarray(pressure, dtype=np.float64))
    number = pieces or PIECES
    if len(components) // number < _FEWEST_SAMPLES:
        raise LamplighterError(
            f"{len(components)} samples of the pressure tensor are too few: {number} pieces of at least "
            f"{_FEWEST_SAMPLES} are needed; simulate longer, or write it more often (output.pressure_tensor)"
        )
    if not np.isfinite(components).all():
        raise LamplighterError("the pressure tensor has values that are not finite")
    if not (components.std(axis=0) > 0.0).all():
        raise LamplighterError(
            "the pressure tensor does not fluctuate: a viscosity needs the dynamics of a liquid with forces"
        )
    to_viscosity = volume * 1e-30 / (constants.k * temperature) * 1e10 * 1e-12 * 1e3  # bar² Å³ ps/(k_B K) in mPa s
    first = _decomposed(components, interval_ps, to_viscosity, number)
    plateau = first.time_of(PLATEAU)
    if pieces is None:
        number = min(max(PIECES, int(len(components) * interval_ps / (PIECE_LENGTH * plateau))), MOST_PIECES)
        number = max(PIECES, min(number, len(components) // _FEWEST_SAMPLES))
    size = max(1, min(int(plateau * AVERAGED / interval_ps), len(components) // number // _FEWEST_SAMPLES))
    averages = components[: len(components) // size * size].reshape(-1, size, 5).mean(axis=1)
    return _decomposed(averages, size * interval_ps, to_viscosity, number)


def _decomposed(components: Floats, interval_ps: float, to_viscosity: float, pieces: int) -> ShearViscosity:
    length = len(components) // pieces
    correlation = _autocorrelations(components[: pieces * length].reshape(pieces, length, 5), length // 2)
    areas = 0.5 * interval_ps * (correlation[:, 1:] + correlation[:, :-1])
    integrals = to_viscosity * np.concatenate([np.zeros((pieces, 1)), np.cumsum(areas, axis=1)], axis=1)
    lags = np.arange(integrals.shape[1], dtype=np.float64) * interval_ps
    mean, spread = integrals.mean(axis=0), integrals.std(axis=0, ddof=1)
    width = _power_law(lags, spread)
    last = _cutoff(mean, width)
    fitted = _sampled(last)
    weights = np.gradient(lags[fitted]) / width[fitted] ** 2
    times = np.geomspace(interval_ps, max(0.5 * lags[last], 2.0 * interval_ps), _RELAXATION_TIMES)
    drawn = np.random.default_rng(1).multinomial(pieces, np.full(pieces, 1.0 / pieces), RESAMPLINGS) / pieces
    curves = np.concatenate([mean[None, fitted], drawn @ integrals[:, fitted]])
    amplitudes = _two_exponentials(lags[fitted], curves, weights, times)
    limits = amplitudes.sum(axis=1)
    value = float(limits[0])
    fit = (1.0 - np.exp(-lags[:, None] / times)) @ amplitudes[0]
    error = float(limits[1:].std(ddof=1)) * math.sqrt(pieces / (pieces - 1)) if pieces >= MIN_PIECES else math.nan
    used = times[amplitudes[0] > 0.0]
    return ShearViscosity(
        value=value,
        standard_error=error,
        n_pieces=pieces,
        piece_ps=length * interval_ps,
        averaged_ps=interval_ps,
        cutoff_ps=float(lags[last]),
        reached=float(fit[last] / value) if value > 0.0 else 0.0,
        relaxation_ps=float(used.max()) if len(used) else math.nan,
        lags_ps=lags,
        autocorrelation=correlation.mean(axis=0),
        running=mean,
        spread=spread,
        fitted=fit,
    )


def _autocorrelations(pieces: Floats, n_lags: int) -> Floats:
    """⟨x(0) x(t)⟩ of each piece, averaged over its components; the mean is no part of it, as it is zero in a liquid.

    Args:
        pieces: Shape (n, T, components).
        n_lags: How many lags, from 0 on.

    Returns:
        Shape (n, n_lags).
    """
    length = pieces.shape[1]
    size = fft.next_fast_len(length + n_lags, real=True)
    power = np.abs(fft.rfft(pieces, size, axis=1)) ** 2
    sums = fft.irfft(power.mean(axis=2), size, axis=1)[:, :n_lags]
    return np.asarray(sums / (length - np.arange(n_lags)))


def _power_law(lags: Floats, spread: Floats) -> Floats:
    """σ(t) = A t^b through the spread of the pieces, which is too noisy itself to weigh by; lag 0 as lag 1."""
    t, y = np.log(lags[1:]), np.log(np.maximum(spread[1:], 1e-300))
    weight = 1.0 / lags[1:]  # each decade counts alike
    b, a = np.polyfit(t, y, 1, w=np.sqrt(weight))
    law = np.exp(a + b * t)
    return np.concatenate([law[:1], law])


def _cutoff(mean: Floats, width: Floats) -> int:
    """The first lag t from which on to 2t the spread is more than `RELATIVE_SPREAD` of the integral.

    To 2t, because bonds that vibrate let the integral oscillate, and come near zero, before it grows.
    """
    beyond = width > RELATIVE_SPREAD * mean
    before = np.concatenate([[0], np.cumsum(beyond)])
    first = np.arange(4, len(mean) // 2)
    stays = np.flatnonzero(before[2 * first + 1] - before[first] == first + 1)
    return int(first[stays[0]]) if len(stays) else len(mean) - 1


def _sampled(last: int) -> NDArray[np.int64]:
    """At most `_FITTED_LAGS` of the lags 0 … last, all of the first ones."""
    return np.unique(np.round(np.geomspace(1, last + 1, _FITTED_LAGS)).astype(np.int64)) - 1


def _two_exponentials(lags: Floats, curves: Floats, weights: Floats, times: Floats) -> Floats:
    """Least squares of each curve by Σ A(1 − e^(−t/τ)) with at most two times out of `times`, amplitudes ≥ 0.

    For two times given, the amplitudes follow from linear equations; all pairs are tried, so that no start values are
    needed and no fit fails.

    Args:
        lags: Shape (L,).
        curves: Shape (n, L).
        weights: Shape (L,).
        times: Shape (m,).

    Returns:
        Amplitude of each time, shape (n, m).
    """
    basis = 1.0 - np.exp(-lags / times[:, None])
    gram = basis * weights @ basis.T
    right = curves * weights @ basis.T
    first, second = np.triu_indices(len(times), 1)
    own = np.diag(gram)
    determinant = own[first] * own[second] - gram[first, second] ** 2
    a = (own[second] * right[:, first] - gram[first, second] * right[:, second]) / determinant
    b = (own[first] * right[:, second] - gram[first, second] * right[:, first]) / determinant
    of_pairs = np.where((a >= 0.0) & (b >= 0.0), a * right[:, first] + b * right[:, second], -np.inf)
    of_one = np.maximum(right, 0.0) ** 2 / own
    amplitudes = np.zeros((len(curves), len(times)))
    for k in range(len(curves)):
        pair, one = int(of_pairs[k].argmax()), int(of_one[k].argmax())
        if of_pairs[k, pair] > of_one[k, one]:
            amplitudes[k, first[pair]], amplitudes[k, second[pair]] = a[k, pair], b[k, pair]
        else:
            amplitudes[k, one] = max(right[k, one], 0.0) / own[one]
    return amplitudes
