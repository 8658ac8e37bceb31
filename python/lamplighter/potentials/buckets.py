"""Sizes of arrays that grow in steps, so that shapes stay while numbers of atoms and pairs change a little."""

from __future__ import annotations

from math import ceil

_FEWEST = 8
_ROOM = 1.05


def bucket(n: int) -> int:
    """The next size from `n` on, at most an eighth larger: eight sizes lie between a power of two and the next."""
    step = 1 << max(0, (n - 1).bit_length() - 4)
    return max(_FEWEST, -(-n // step) * step)


class Bucket:
    """A size that follows a number: it grows, with some room, when the number does not fit, and shrinks by half."""

    def __init__(self) -> None:
        self.size = 0

    def fit(self, n: int) -> int:
        """The size for `n`, at least 1; it is the one before wherever that will do."""
        if max(1, n) > self.size or bucket(2 * ceil(_ROOM * n)) < self.size:
            self.size = bucket(ceil(_ROOM * n))
        return self.size
