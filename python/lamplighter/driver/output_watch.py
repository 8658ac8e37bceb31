"""Whether the run folder takes output: LAMMPS writes on without a word where a disk is full, and its output is lost.

A thread tries it every second, with a file that is written and brought to the disk: free space alone says nothing of
quotas, of a file system that has become read-only, or of a server that has lost the folder.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

TRIED_EVERY_S = 1.0
TRIED_BYTES = 256 * 1024
"""What must find room: more than what LAMMPS writes at once, so that the run mostly ends before anything is lost."""

RESERVE = "run.reserve"
"""Room that is kept for the last words of a run."""

RESERVE_BYTES = 64 * 1024
_TRIAL = "run.trial"


class OutputWatch:
    """Tries a folder in a thread, from `with` on, and calls `request_stop` once when it cannot be written.

    Attributes:
        problem: What stood against it; None: nothing yet.
    """

    def __init__(self, folder: Path, request_stop: Callable[[], None], active: bool) -> None:
        self.problem: OSError | None = None
        self._folder, self._request_stop, self._active = folder, request_stop, active
        self._one_at_a_time = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._try, name="lamplighter-output", daemon=True)

    def __enter__(self) -> OutputWatch:
        if self._active:
            try:
                _write(self._folder / RESERVE, RESERVE_BYTES)
            except OSError as problem:
                self.problem = problem
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._active:
            # no longer, where a disk is slow: other ranks wait for this one, and a file may be removed while it is open
            self._thread.join(timeout=0.5)
            free_reserve(self._folder)

    def look(self) -> OSError | None:
        """Try it now; what stands against it, now or before."""
        if self._active:
            with self._one_at_a_time:
                if self.problem is None:
                    self.problem = trial(self._folder)
        return self.problem

    def _try(self) -> None:
        while not self._ending.wait(TRIED_EVERY_S):
            if self.look() is not None:
                self._request_stop()
                return


def trial(folder: Path) -> OSError | None:
    """What stands against writing into the folder; None: nothing."""
    path = folder / _TRIAL
    try:
        _write(path, TRIED_BYTES)
        path.unlink()
    except OSError as problem:
        with contextlib.suppress(OSError):
            path.unlink()
        return problem
    return None


def free_reserve(folder: Path) -> None:
    """Make room for the last words."""
    for name in (RESERVE, _TRIAL):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _write(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(os.urandom(size))  # a file system that compresses must not find room for it in nothing
        file.flush()
        os.fsync(file.fileno())
