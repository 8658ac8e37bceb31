"""A line on the terminal that counts frames, and says how long the others may take."""

from __future__ import annotations

import sys
import time

_EVERY_S = 0.5


class Progress:
    """Such a line, for as long as a `with` statement lasts; nothing where standard error is no terminal.

    Args:
        name: Of the method.
        total: How many frames there are.
        done: How many are done already.
        workers: How many are evaluated at once.
        shown: False: nothing.
    """

    def __init__(self, name: str, total: int, done: int, workers: int, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._name, self._total, self._done, self._workers = name, total, done, workers
        self._new = self._failed = 0
        self._began, self._said = time.monotonic(), 0.0

    def one(self, failed: bool) -> None:
        """A frame is done."""
        self._new += 1
        self._failed += failed
        now = time.monotonic()
        if not self._shown or now - self._said < _EVERY_S:
            return
        self._said = now
        left = self._total - self._done - self._new
        rate = (now - self._began) / self._new
        failures = f", {self._failed} failed" if self._failed else ""
        print(
            f"\r\033[K{self._name}: {self._done + self._new} of {self._total} frames{failures}, {self._workers} at "
            f"once, about {left * rate:.0f} s left",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *ended: object) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
