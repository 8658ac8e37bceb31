"""Ends a run in which nothing happens any more, with a message: a rank that was stopped, a node or network that hangs.

LAMMPS' ranks wait for each other without an end. A thread of some ranks sees that no step has ended for long, and ends
all ranks. How long is measured: many times the longest step so far, and never less than minutes. Only time counts in
which the thread itself runs, so that a machine that sleeps, or all ranks stopped together, do no harm.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from lamplighter import exit_status
from lamplighter.cluster.wall_time import seconds_of
from lamplighter.driver.failure import FORWARD_S
from lamplighter.driver.interruption import end_at_once
from lamplighter.silence import last_words

AUTO = "auto"
NEVER = "none"

LEAST_S = 600.0
"""However fast steps are: file servers and other programs on the machine make pauses."""

FIRST_S = 3600.0
"""Until a first step has ended: models are loaded and compiled."""

TIMES_LONGEST = 20.0
WATCHERS = 4
"""Ranks that look, one a grace after the other, as the first one may be the one that stands still."""

GRACE_S = 10.0

LAST_WORDS_S = 10.0
"""What the last words may take: where a file server hangs, they would take for ever."""


def stall_limit(text: str) -> float | None:
    """Seconds without a step after which a run is ended; None: measured; infinite: never.

    Raises:
        QueueProblem: it is no time.
    """
    if text == AUTO:
        return None
    return float("inf") if text == NEVER else seconds_of(text, "--stall")


class StallWatch:
    """Looks from a thread whether steps end. A context manager; all ranks make one alike.

    Args:
        comm: mpi4py communicator of all ranks.
        limit_s: As `stall_limit` gives it.
        began: The step that the run begins at.
        before_the_end: Called with the message before all ranks are ended.
    """

    def __init__(self, comm: Any, limit_s: float | None, began: int, before_the_end: Callable[[str], None]) -> None:
        self._comm, self._limit_s, self._before_the_end = comm, limit_s, before_the_end
        self._rank = comm.Get_rank()
        self._places: list[tuple[str, int]] = comm.allgather((socket.gethostname(), os.getpid()))
        self._step: Callable[[], int] | None = None
        self._began = began
        self._reached: int | None = None
        self._still_s = self._longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lamplighter-stall", daemon=True)

    def __enter__(self) -> StallWatch:
        if self._rank < WATCHERS and self._limit_s != float("inf"):
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()

    @contextlib.contextmanager
    def watching(self, step: Callable[[], int]) -> Iterator[None]:
        """While this lasts, steps are to end; `step` gives the present one."""
        self._still_s, self._step = 0.0, step
        try:
            yield
        finally:
            self._step = None

    @property
    def limit_s(self) -> float:
        """How long a step may take now."""
        if self._limit_s is not None:
            return self._limit_s
        return max(LEAST_S, TIMES_LONGEST * self._longest_s) if self._longest_s else FIRST_S

    def _look(self) -> None:
        every = min(1.0, self.limit_s / 10)
        before = time.monotonic()
        while not self._over.wait(every):
            now = time.monotonic()
            awake, before = min(now - before, 2 * every), now
            step = self._step
            if step is None:
                continue
            reached = step()
            if reached != self._reached:
                if self._reached is not None:
                    self._longest_s = max(self._longest_s, self._still_s + every)
                self._reached, self._still_s = reached, 0.0
                continue
            self._still_s += awake
            if self._still_s > self.limit_s + self._rank * min(GRACE_S, self.limit_s / 2):
                self._end()
                return

    def _end(self) -> None:
        longest = f"; the longest one before took {self._longest_s:.2g} s" if self._longest_s else ""
        message = (
            f"no step has ended for {self._still_s:.0f} s (step {self._reached}{longest}), so all ranks are ended: "
            f"{self._who_stands_still()}; --resume goes on (--stall TIME allows longer steps, --stall none any)"
        )
        print(f"Error: {message}", file=last_words(), flush=True)
        words = threading.Thread(target=self._say_last_words, args=(message,), daemon=True)
        words.start()
        words.join(LAST_WORDS_S)
        came_further = self._reached is not None and self._reached > self._began
        time.sleep(FORWARD_S)
        end_at_once(self._comm, exit_status.LATER if came_further else exit_status.ERROR)

    def _say_last_words(self, message: str) -> None:
        with contextlib.suppress(Exception):
            self._before_the_end(message)

    def _who_stands_still(self) -> str:
        here = socket.gethostname()
        stopped = [
            f"rank {rank} (process {pid} on {host}) is stopped by a signal"
            for rank, (host, pid) in enumerate(self._places)
            if host == here and _is_stopped(pid)
        ]
        return " and ".join(stopped) or "a rank, its model, the file server or the network hangs"


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in "Tt"
