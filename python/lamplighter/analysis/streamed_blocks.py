"""Means of what comes frame by frame, and of blocks of it, in memory that does not grow with the number of frames.

Blocks are doubled in length whenever there are twice as many as are wanted. Their means are a series for
`series.mean_with_error`, which takes care of what correlation is left between them.
"""

from __future__ import annotations

import math

import numpy as np

from lamplighter.analysis.series import mean_with_error
from lamplighter.arrays import Floats


class StreamedBlocks:
    """Sums of arrays of one shape in blocks of consecutive frames.

    Args:
        at_least: Blocks that are kept, once there are as many frames; there are less than twice as many.
    """

    def __init__(self, at_least: int = 32) -> None:
        self._at_least = at_least
        self._sums: list[Floats] = []
        self._size = 1  # frames a block
        self._in_last = 0
        self.n_frames = 0

    def add(self, values: Floats) -> None:
        """Take the values of one frame."""
        if not self._sums or self._in_last == self._size:
            if len(self._sums) == 2 * self._at_least:
                pairs = zip(self._sums[::2], self._sums[1::2], strict=True)
                self._sums = [first + second for first, second in pairs]
                self._size *= 2
            self._sums.append(np.zeros(np.shape(values)))
            self._in_last = 0
        self._sums[-1] += values
        self._in_last += 1
        self.n_frames += 1

    @property
    def frames_a_block(self) -> int:
        """Length of a block, in frames."""
        return self._size

    def mean(self) -> Floats:
        """Over all frames; nan without any."""
        if not self._sums:
            return np.array(math.nan)
        return np.asarray(sum(self._sums) / self.n_frames)

    def blocks(self) -> Floats:
        """Mean of each whole block, shape (blocks, …)."""
        whole = self._sums if self._in_last == self._size else self._sums[:-1]
        return np.array(whole) / self._size


def errors_of_means(blocks: Floats) -> Floats:
    """Standard error of the mean over blocks (axis 0) of each entry; nan where the data cannot tell.

    As `series.mean_with_error`: with fewer than 10 blocks, where blocks are too correlated, or all are the same.
    """
    if len(blocks) == 0:
        return np.full(blocks.shape[1:], math.nan)
    columns = blocks.reshape(len(blocks), -1)
    errors = [mean_with_error(column).standard_error for column in columns.T]
    return np.array(errors, dtype=np.float64).reshape(blocks.shape[1:])
