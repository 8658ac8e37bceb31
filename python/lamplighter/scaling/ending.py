"""SIGTERM as an exception, so that a benchmark ends the ranks that it has started, as it does at Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from lamplighter import exit_status
from lamplighter.errors import Interrupted


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Raise `Interrupted` at SIGTERM in the main thread; elsewhere nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted("the benchmark was ended by SIGTERM; the same command goes on", exit_status.LATER)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
