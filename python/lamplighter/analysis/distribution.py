"""Distributions of an observable on a common grid, and how far apart two of them are.

D_KL(P‖R) = Σ_x P(x) ln(P(x)/R(x)), S. Kullback, R. A. Leibler, Ann. Math. Stat. 22, 79 (1951). Written out in
`docs/theory/density.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.analysis.series import mean_with_error
from lamplighter.arrays import Floats

PSEUDO_COUNT = 0.5
"""What every bin of every histogram is given beforehand (Jeffreys' prior), so that none is empty."""

JACKKNIFE_BLOCKS = 10
"""Pieces that the samples of one side are cut into, at least."""

MOST_BINS = 200

METHOD = "histograms on a common grid, half a count in every bin; error from a jackknife over blocks in time"


@dataclass(frozen=True)
class Divergence:
    """D_KL of two sets of series, in nats.

    Attributes:
        value: Never negative, never infinite.
        standard_error: From leaving out one block in time after the other, on both sides; nan where `note` says why.
        outside: Share of P in bins in which R has no sample. There the value depends on the number of samples of R
            and is a lower bound.
        bias: What the finite numbers of samples add to `value`, by the same jackknife; not subtracted; nan likewise.
        method: How it was obtained.
        note: Why there is no error; empty otherwise.
    """

    value: float
    standard_error: float
    outside: float
    bias: float
    method: str = METHOD
    note: str = ""


def common_edges(series: Sequence[Floats], width: float | None = None) -> Floats:
    """Edges of bins of one width, at multiples of it, that cover all series; shape (K + 1,).

    Args:
        series: Each of shape (N,), all finite, not all the same number.
        width: In the unit of the series; None: Scott's rule 3.49 s n^(−1/3) for the narrowest of the series, n its
            number of independent samples (D. W. Scott, Biometrika 66, 605 (1979)), and at most `MOST_BINS` bins.

    Raises:
        ValueError: the width is not positive or makes a grid of more than a million bins, or all samples are equal.
    """
    low, high = min(float(x.min()) for x in series), max(float(x.max()) for x in series)
    if width is None:
        widths = [_scott(x) for x in series]
        usable = [each for each in widths if each > 0.0]
        if not usable:
            raise ValueError(f"all samples are {low:g}: there is no distribution")
        width = max(min(usable), (high - low) / MOST_BINS)
    if not (width > 0.0 and math.isfinite(width)):
        raise ValueError(f"the width of a bin must be > 0, got {width:g}")
    first, last = math.floor(low / width), math.floor(high / width) + 1
    if last - first > 1_000_000:
        raise ValueError(f"bins of {width:g} make a grid of {last - first} bins: take wider ones")
    return width * np.arange(first, last + 1, dtype=np.float64)


def probabilities(series: Sequence[Floats], edges: Floats, pseudo_count: float = PSEUDO_COUNT) -> Floats:
    """Probability of each bin, shape (K,), with `pseudo_count` samples added to each; series count alike.

    Raises:
        ValueError: a sample lies outside of the grid.
    """
    counts = _equal_shares([counts_of(x, edges) for x in series])
    return _smoothed(counts, pseudo_count)


def probabilities_of_counts(counts: Sequence[Floats], pseudo_count: float = PSEUDO_COUNT) -> Floats:
    """What `probabilities` says of series whose histograms these are, each of shape (K,)."""
    return _smoothed(_equal_shares(counts), pseudo_count)


def widened(edges: Floats, series: Sequence[Floats]) -> Floats:
    """A grid of bins of one width, with as many more on either side as it takes to cover all series; none: as it is."""
    if not series:
        return edges
    width = float(edges[1] - edges[0])
    low = max(0, math.ceil((float(edges[0]) - min(float(x.min()) for x in series)) / width))
    high = max(0, math.floor((max(float(x.max()) for x in series) - float(edges[-1])) / width) + 1)
    before, after = np.arange(-low, 0), np.arange(1, high + 1)
    return np.concatenate([edges[0] + width * before, edges, edges[-1] + width * after])


def kl_divergence(p: Floats, r: Floats) -> float:
    """Σ P ln(P/R) in nats, with 0 ln 0 = 0.

    Args:
        p, r: Probabilities of the same bins, shape (K,).

    Raises:
        ValueError: R is zero in a bin in which P is not: D_KL is infinite.
    """
    here = p > 0.0
    if (r[here] <= 0.0).any():
        raise ValueError("D_KL is infinite: R is zero where P is not (add a pseudo-count to both)")
    return float((p[here] * np.log(p[here] / r[here])).sum())


def divergence(
    of: Sequence[Floats], reference: Sequence[Floats], edges: Floats, pseudo_count: float = PSEUDO_COUNT
) -> Divergence:
    """D_KL(P‖R) between the samples of two sets of runs; within each set, runs count alike.

    Args:
        of, reference: Series at equal intervals, each of shape (N,).
        edges: The common grid, of `common_edges`.
        pseudo_count: > 0.

    Raises:
        ValueError: a sample lies outside of the grid, or the pseudo-count is not positive.
    """
    if not pseudo_count > 0.0:
        raise ValueError(f"the pseudo-count must be > 0, got {pseudo_count:g}")
    p_blocks, r_blocks = _blocks(of, edges), _blocks(reference, edges)

    def value(p: list[Floats], r: list[Floats]) -> float:
        smooth = [_smoothed(_equal_shares(counts), pseudo_count) for counts in (p, r)]
        return kl_divergence(smooth[0], smooth[1])

    p_all, r_all = _joined(p_blocks), _joined(r_blocks)
    whole = value(p_all, r_all)
    empty = np.sum(r_all, axis=0) == 0.0
    p_share = _equal_shares(p_all)
    outside = float(p_share[empty].sum() / p_share.sum())
    note = next((_too_short(x) for x in (*of, *reference) if _too_short(x)), "")
    if note:
        return Divergence(whole, math.nan, outside, math.nan, note=note)
    without_p = [value(each, r_all) for each in _left_out(p_blocks)]
    without_r = [value(p_all, each) for each in _left_out(r_blocks)]
    variance, bias = 0.0, 0.0
    for values in (without_p, without_r):
        n = len(values)
        variance += (n - 1) / n * float(((np.array(values) - np.mean(values)) ** 2).sum())
        bias += (n - 1) * (float(np.mean(values)) - whole)
    return Divergence(whole, math.sqrt(variance), outside, bias)


def _scott(x: Floats) -> float:
    n_effective = mean_with_error(x).n_effective
    n = min(n_effective, len(x)) if math.isfinite(n_effective) and n_effective >= 1.0 else min(len(x), 10)
    return 3.49 * float(x.std()) * n ** (-1.0 / 3.0)


def counts_of(x: Floats, edges: Floats) -> Floats:
    if len(x) and (x.min() < edges[0] or x.max() > edges[-1]):
        raise ValueError(f"samples lie outside of the grid {edges[0]:g} to {edges[-1]:g}")
    return np.histogram(x, edges)[0].astype(np.float64)


def _equal_shares(counts: Sequence[Floats]) -> Floats:
    """The sum of histograms that are each scaled to the mean number of samples, so that runs count alike."""
    sizes = [float(each.sum()) for each in counts]
    mean = sum(sizes) / len(sizes)
    return np.sum([each * (mean / size) for each, size in zip(counts, sizes, strict=True)], axis=0)


def _smoothed(counts: Floats, pseudo_count: float) -> Floats:
    smooth = counts + pseudo_count
    return smooth / smooth.sum()


def _blocks(series: Sequence[Floats], edges: Floats) -> list[list[Floats]]:
    """For each series the histograms of its pieces in time."""
    pieces = max(2, math.ceil(JACKKNIFE_BLOCKS / len(series)))
    return [[counts_of(piece, edges) for piece in np.array_split(x, min(pieces, len(x)))] for x in series]


def _joined(blocks: list[list[Floats]]) -> list[Floats]:
    return [np.sum(pieces, axis=0) for pieces in blocks]


def _left_out(blocks: list[list[Floats]]) -> list[list[Floats]]:
    """Histograms of the series, once without each piece."""
    whole = _joined(blocks)
    return [
        [each - piece if place == run else each for place, each in enumerate(whole)]
        for run, pieces in enumerate(blocks)
        for piece in pieces
    ]


def _too_short(x: Floats) -> str:
    note = mean_with_error(x).note
    return f"one of the series has no error bar: {note}" if note else ""
