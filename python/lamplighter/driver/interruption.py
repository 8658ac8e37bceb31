"""Ctrl-C and SIGTERM end a run in good order: LAMMPS finishes its step on all ranks, files are closed.

Python runs signal handlers between its own instructions, of which there are none while LAMMPS integrates. So
the signal's number goes through a pipe to a thread, which sets a variable that LAMMPS looks at every step
(`fix halt`; rank 0's value counts for all ranks). A second signal ends all ranks at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from lamplighter.errors import LamplighterError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(LamplighterError):
    """A run was ended by a signal.

    Attributes:
        signal_number: The signal.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    def __reduce__(self) -> tuple[Any, ...]:
        return (Interrupted, (str(self), self.signal_number))


def end_at_once(comm: Any) -> None:
    """End all ranks without waiting for anything."""
    if comm.Get_size() == 1:
        os._exit(1)
    comm.Abort(1)


class SignalWatch:
    """Calls `request_stop` at the first SIGINT or SIGTERM and `force_stop` at the second, from a thread.

    A context manager, for the main thread of the process; elsewhere it does nothing, as Python handles signals in
    the main thread alone.
    """

    def __init__(self, request_stop: Callable[[], None], force_stop: Callable[[], None]) -> None:
        self.received: int | None = None
        self._actions = [request_stop, force_stop]
        self._active = threading.current_thread() is threading.main_thread()
        self._old_handlers: dict[int, Any] = {}

    def __enter__(self) -> SignalWatch:
        if not self._active:
            return self
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._old_handlers = {number: signal.signal(number, _do_nothing) for number in SIGNALS}
        self._old_descriptor = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, name="lamplighter-signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._active:
            return
        signal.set_wakeup_fd(self._old_descriptor)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        os.close(self._writing)
        self._thread.join(timeout=1.0)
        os.close(self._reading)

    def _watch(self) -> None:
        while data := os.read(self._reading, 1):
            if data[0] not in SIGNALS:
                continue
            self.received = self.received or data[0]
            if self._actions:
                self._actions.pop(0)()


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A handler must be set for the number to reach the pipe; the thread does the work."""
