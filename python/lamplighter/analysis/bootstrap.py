"""Standard errors by the bootstrap: how much a number would change with other frames.

Source: B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 8 (groups of dependent data
are drawn as wholes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats, Integers

RESAMPLES = 1000
MIN_GROUPS = 5
"""Fewer frames, or groups of frames, than this carry no error bar."""


@dataclass(frozen=True)
class Resampling:
    """Which frames each resample holds, and how often.

    Attributes:
        group_of_frame: Frames of one group are drawn together, shape (n_frames,), from 0 without gaps.
        counts: How often each group is in each resample, shape (n_resamples, n_groups).
        what: What a group is, in words.
    """

    group_of_frame: Integers
    counts: Floats
    what: str

    @property
    def n_groups(self) -> int:
        """Frames that count as independent."""
        return int(self.counts.shape[1])

    def sums(self, values: Floats, frame: Integers) -> Floats:
        """Sum over each group of values that belong to frames, shape (n_groups,)."""
        groups = self.group_of_frame[frame]
        return np.asarray(np.bincount(groups, weights=values, minlength=self.n_groups), dtype=np.float64)

    def estimate(self, statistic: Callable[..., Floats], sums: Sequence[Floats], unit: str, name: str) -> Estimate:
        """A number that follows from sums over groups, with the standard deviation over resamples as its error.

        Args:
            statistic: Takes arrays of total sums, elementwise, in the order of `sums`.
            sums: Each of shape (n_groups,).
            unit: Of the number.
            name: What it is, for `Estimate.method`.
        """
        value = float(statistic(*(np.array([each.sum()]) for each in sums))[0])
        n, error, note = self.n_groups, float("nan"), ""
        if n < MIN_GROUPS:
            note = f"only {n} {self.what}, fewer than {MIN_GROUPS}"
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                resampled = statistic(*(self.counts @ each for each in sums))
            resampled = resampled[np.isfinite(resampled)]
            error = float(resampled.std(ddof=1)) if len(resampled) > 1 else float("nan")
        method = f"{name}; error by bootstrap over {self.what} ({len(self.counts)} resamples)"
        return Estimate(value, error, unit, method, n, 1.0, float(n), note)


def resampling(
    n_frames: int, groups: Sequence[object] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> Resampling:
    """Draw frames, or groups of frames, with replacement.

    Args:
        n_frames: Number of frames, ≥ 1.
        groups: Label of each frame, e.g. the trajectory that it is from; None: each frame for itself.
        resamples: How many.
        seed: Of numpy's generator.

    Raises:
        ValueError: `groups` has another length.
    """
    if groups is None:
        index, what = np.arange(n_frames, dtype=np.int64), "frames"
    else:
        if len(groups) != n_frames:
            raise ValueError(f"groups must have one label for each of the {n_frames} frames, got {len(groups)}")
        labels = {label: place for place, label in enumerate(dict.fromkeys(groups))}
        index, what = np.array([labels[label] for label in groups], dtype=np.int64), "groups of frames"
    n = int(index.max()) + 1
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=resamples)
    return Resampling(index, counts.astype(np.float64), what)
