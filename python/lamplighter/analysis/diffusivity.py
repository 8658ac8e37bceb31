"""Self-diffusivity from the displacements of molecules (Einstein) or from their velocities (Green, Kubo).

Sources:
    Niblett, Kourtis, Magdău, Grey, Csányi, Transferability of datasets between machine-learning interaction potentials
    (blocks, their spacing, the linear fit).
    M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7 (both relations).
    I.-C. Yeh, G. Hummer, J. Phys. Chem. B 108, 15873 (2004) (finite size).

Lengths in Å, times in ps: D in Å²/ps = 10⁻⁴ cm²/s. The formulas are written out in `docs/theory/diffusivity.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import constants

from lamplighter.analysis.displacement import velocity_autocorrelation
from lamplighter.arrays import Floats
from lamplighter.errors import TrajectoryError

MIN_BLOCKS = 5
"""Fewer independent blocks than this carry no error bar."""

DIFFUSIVE = 0.1
"""How far the slope of log MSD against log t may be from 1."""

YEH_HUMMER = 2.837297
"""ξ of a cubic box with periodic boundaries."""


@dataclass(frozen=True)
class BlockPlan:
    """How a trajectory is cut into blocks; all in ps.

    Attributes:
        length: Of a block.
        spacing: Between the starts of overlapping blocks.
        ballistic: What is dropped from the beginning of each block.
    """

    length: float = 100.0
    spacing: float = 10.0
    ballistic: float = 10.0

    def frames(self, interval_ps: float) -> tuple[int, int, int]:
        """The same as numbers of intervals between frames.

        Raises:
            TrajectoryError: they do not go together, or blocks hold too few frames for a line.
        """
        length, spacing, ballistic = (round(each / interval_ps) for each in (self.length, self.spacing, self.ballistic))
        if not 0 <= self.ballistic < self.length or not self.spacing > 0:
            raise TrajectoryError(
                f"blocks of {self.length:g} ps cannot lack their first {self.ballistic:g} ps or start every "
                f"{self.spacing:g} ps: 0 ≤ --ballistic < --block and --block-spacing > 0 are needed"
            )
        if spacing < 1 or length - max(ballistic, 1) < 2:
            raise TrajectoryError(
                f"frames are {interval_ps:g} ps apart, too far for blocks of {self.length:g} ps without their first "
                f"{self.ballistic:g} ps that start every {self.spacing:g} ps: give a longer --block or --block-"
                "spacing, or write more frames (output.trajectory)"
            )
        return length, spacing, max(ballistic, 1)


@dataclass(frozen=True)
class Diffusivity:
    """D of one species, or of all molecules.

    Attributes:
        value: Mean over overlapping blocks, Å²/ps.
        standard_error: Of the mean of blocks that do not overlap, which are independent; nan where there are fewer than
            `MIN_BLOCKS`. For `value`, which makes more of the data, it is a little too large.
        independent_value: The mean that `standard_error` is exactly that of, Å²/ps.
        protocol_error: Spread of the overlapping blocks / √(their number), as the source has it: too small, because
            neighbours share most of their data.
        n_blocks, n_independent: Overlapping blocks, and those that do not overlap.
        slope: Of log MSD against log t over what is fitted; 1 where motion is diffusive.
        slope_error: Its error, by leaving out one independent block after the other; nan with fewer than `MIN_BLOCKS`.
        n_molecules: Molecules that were averaged over.
        lags_ps, msd: Lags of a block, ps, and the mean of the overlapping blocks' MSD, Å²; shape (m,).
    """

    value: float
    standard_error: float
    independent_value: float
    protocol_error: float
    n_blocks: int
    n_independent: int
    slope: float
    slope_error: float
    n_molecules: int
    lags_ps: Floats
    msd: Floats

    @property
    def diffusive(self) -> bool:
        """Whether the displacement grows like t within `DIFFUSIVE`."""
        return abs(self.slope - 1.0) <= DIFFUSIVE


@dataclass(frozen=True)
class GreenKubo:
    """D from velocities.

    Attributes:
        value: ⅓ ∫ of the autocorrelation up to the last lag, Å²/ps.
        standard_error: From pieces of the trajectory that do not overlap; nan where there are fewer than `MIN_BLOCKS`.
        n_pieces: How many.
        lags_ps, autocorrelation: ps and Å²/ps², shape (m,).
        running: The integral up to each lag, Å²/ps, shape (m,).
    """

    value: float
    standard_error: float
    n_pieces: int
    lags_ps: Floats
    autocorrelation: Floats
    running: Floats


def too_short(length_ps: float, interval_ps: float, plan: BlockPlan) -> str:
    """Why a trajectory is too short for the blocks, and what would do; empty where one block fits."""
    if length_ps >= plan.length * (1.0 - 1e-9):
        return ""
    block = 10.0 ** math.floor(math.log10(length_ps / 5.0)) if length_ps > 0.0 else 0.0
    block = max((f * block for f in (1, 2, 5) if f * block <= length_ps / 5.0), default=0.0)
    would = (
        f"--block {block:g}ps --block-spacing {block / 10:g}ps --ballistic {block / 10:g}ps would make "
        f"{int(length_ps / block)} independent ones"
        if block >= 30.0 * interval_ps
        else f"simulate at least {MIN_BLOCKS * plan.length:g} ps more"
    )
    return (
        f"{length_ps:.6g} ps are too short for blocks of {plan.length:g} ps ({MIN_BLOCKS} of them, "
        f"{MIN_BLOCKS * plan.length:g} ps, are needed for an error bar): {would}"
    )


def block_displacements(positions: Floats, starts: Sequence[int], length: int) -> Floats:
    """|r(s + t) − r(s)|² averaged over particles, for each start s.

    Args:
        positions: Shape (T, n, 3), unwrapped.
        starts: First frames of the blocks.
        length: Largest lag t, in frames.

    Returns:
        Shape (blocks, length + 1).
    """
    rows = np.empty((len(starts), length + 1))
    for place, start in enumerate(starts):
        away = positions[start : start + length + 1] - positions[start]
        rows[place] = np.einsum("tnk,tnk->t", away, away) / positions.shape[1]
    return rows


def einstein(positions: Floats, interval_ps: float, plan: BlockPlan | None = None) -> Diffusivity:
    """D = slope of ⟨|r(t) − r(0)|²⟩ / 6, a line with an intercept being fitted to each block.

    Args:
        positions: Å, shape (T, n, 3), unwrapped, without the motion of the total centre of mass.
        interval_ps: Between frames.
        plan: The blocks; None: 100 ps, starts 10 ps apart, without their first 10 ps.

    Raises:
        TrajectoryError: the trajectory is too short for the blocks (the message says what would do), or its frames are
            too far apart.
    """
    plan = plan or BlockPlan()
    reason = too_short((len(positions) - 1) * interval_ps, interval_ps, plan)
    if reason:
        raise TrajectoryError(reason)
    length, spacing, ballistic = plan.frames(interval_ps)
    last = len(positions) - 1 - length
    overlapping = block_displacements(positions, range(0, last + 1, spacing), length)
    independent = block_displacements(positions, range(0, last + 1, length), length)
    lags = np.arange(length + 1, dtype=np.float64) * interval_ps
    fitted = slice(ballistic, None)
    values = slopes(lags[fitted], overlapping[:, fitted]) / 6.0
    apart = slopes(lags[fitted], independent[:, fitted]) / 6.0
    msd = overlapping.mean(axis=0)
    return Diffusivity(
        value=float(values.mean()),
        standard_error=_error_of_mean(apart),
        independent_value=float(apart.mean()),
        protocol_error=float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan,
        n_blocks=len(values),
        n_independent=len(apart),
        slope=log_slope(lags[fitted], msd[fitted]),
        slope_error=_jackknifed_log_slope(lags[fitted], independent[:, fitted]),
        n_molecules=positions.shape[1],
        lags_ps=lags,
        msd=msd,
    )


def green_kubo(velocities: Floats, interval_ps: float, length_ps: float) -> GreenKubo:
    """D = ⅓ ∫₀ ⟨v(0)·v(t)⟩ dt up to `length_ps`, by the trapezoidal rule.

    The error comes from pieces of twice that length, or of a twentieth of the trajectory where that is longer.

    Args:
        velocities: Å/ps, shape (T, n, 3), without the motion of the total centre of mass.
        interval_ps: Between frames.
        length_ps: Where the integral ends; the autocorrelation should have decayed.

    Raises:
        TrajectoryError: the trajectory is too short for that.
    """
    lags = round(length_ps / interval_ps) + 1
    if lags < 2 or len(velocities) < 2 * lags:
        raise TrajectoryError(
            f"the velocity autocorrelation to {length_ps:g} ps needs {2 * max(lags, 2)} frames {interval_ps:g} ps "
            f"apart, got {len(velocities)}: give another --vacf-length"
        )
    size = max(2 * lags, len(velocities) // 20)
    pieces = [velocities[first : first + size] for first in range(0, len(velocities) - size + 1, size)]
    whole = velocity_autocorrelation(velocities, lags)
    running = _running_integral(whole, interval_ps)
    ends = np.array([_running_integral(velocity_autocorrelation(each, lags), interval_ps)[-1] for each in pieces])
    times = np.arange(lags, dtype=np.float64) * interval_ps
    return GreenKubo(float(running[-1]), _error_of_mean(ends), len(pieces), times, whole, running)


def yeh_hummer(temperature: float, viscosity: float, edge: float) -> float:
    """What a cubic periodic box takes away from D: ξ k_B T / (6 π η L), Å²/ps; add it to the D of the box.

    Args:
        temperature: K.
        viscosity: Shear viscosity of the liquid, mPa s.
        edge: Å, of the cubic box.

    Raises:
        ValueError: one of them is not positive.
    """
    if not min(temperature, viscosity, edge) > 0.0:
        raise ValueError(
            f"temperature, viscosity and edge must be > 0, got {temperature:g} K, {viscosity:g} mPa s, {edge:g} Å"
        )
    si = YEH_HUMMER * constants.k * temperature / (6.0 * math.pi * viscosity * 1e-3 * edge * 1e-10)
    return si * 1e8  # m²/s = 10²⁰ Å² / 10¹² ps


def slopes(x: Floats, rows: Floats) -> Floats:
    """Least-squares slopes of rows against x.

    Args:
        x: Shape (n,).
        rows: Shape (m, n).
    """
    centred = x - x.mean()
    return np.asarray(rows @ centred / (centred @ centred))


def log_slope(lags: Floats, msd: Floats) -> float:
    """Slope of log MSD against log t, which is 1 where motion is diffusive; not a number where the MSD vanishes.

    Args:
        lags: Shape (n,), all positive.
        msd: Mean square displacements at them, shape (n,).
    """
    if (msd <= 0.0).any():
        return math.nan
    return float(slopes(np.log(lags), np.log(msd)[None])[0])


def _jackknifed_log_slope(lags: Floats, blocks: Floats) -> float:
    n = len(blocks)
    if n < MIN_BLOCKS:
        return math.nan
    whole = blocks.sum(axis=0)
    slopes = np.array([log_slope(lags, (whole - each) / (n - 1)) for each in blocks])
    return math.sqrt((n - 1) / n * float(((slopes - slopes.mean()) ** 2).sum()))


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) >= MIN_BLOCKS else math.nan


def _running_integral(values: Floats, step: float) -> Floats:
    """⅓ of the integral by the trapezoidal rule up to each value."""
    areas = 0.5 * step * (values[1:] + values[:-1])
    return np.concatenate([[0.0], np.cumsum(areas)]) / 3.0
