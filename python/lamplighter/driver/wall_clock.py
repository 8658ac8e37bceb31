"""Ends a run in time: a thread of the first rank looks at the clock, and asks the run to stop before its time is up.

It stops a margin earlier, which is for the step that LAMMPS is in, the restart file, and the summary: measured, as far
as it can be, by the longest time in which no step ended: where they are slow, that of a restart file or a frame.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from lamplighter.cluster.time_left import TimeLeft, time_left
from lamplighter.cluster.wall_time import seconds_of, slurm_words
from lamplighter.driver.interruption import MORE_TIME, WALL_TIME, StopRequests
from lamplighter.errors import QueueProblem

LOOKED_EVERY_S = 0.25
MARGIN_S = 30.0
"""For the end of a run, where nothing else is said: a tenth of the time where that is less."""

LONGEST_STEPS = 2.0
"""How many of the longest steps are left room for: the one that goes on, and one that writes a restart file."""

FROM_QUEUE = "auto"
NO_LIMIT = "none"


def now() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class WallClock:
    """Asks a run to end before its time is up. A context manager; only the first rank's does anything.

    Args:
        stops: Where it asks.
        walltime: How long the run may take from now, as `wall_time.seconds_of` reads it; `auto`: as long as its
            batch job has left, if it runs in one; `none`: as long as it takes.
        margin: How long before it stops; None: measured.
        active: Whether this is the first rank.

    Raises:
        QueueProblem: a time is none, or leaves nothing beside the margin.
    """

    def __init__(self, stops: StopRequests, walltime: str, margin: str | None, active: bool) -> None:
        self._stops, self._active = stops, active
        self._given_margin = None if margin is None else seconds_of(margin, "--margin")
        self._ask_queue = walltime == FROM_QUEUE
        self._end: float | None = None
        self._source = ""
        self._step: Callable[[], int] | None = None
        self._longest_s = 0.0
        self._changed: tuple[int, float] | None = None  # the last step that was seen to change, and when
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lamplighter-clock", daemon=True)
        if not active or walltime == NO_LIMIT:
            return
        if self._ask_queue:
            self._take(time_left())
        else:
            self._take(TimeLeft(seconds_of(walltime, "--walltime"), "--walltime"))
        if self._end is not None:
            stops.time_left = self._left
        if self._end is not None and self._left() <= self.margin_s:
            raise QueueProblem(
                f"{slurm_words(max(0.0, self._left()))} are left by {self._source}, and the run would end "
                f"{self.margin_s:g} s before: {MORE_TIME}, or less of --margin"
            )

    @property
    def margin_s(self) -> float:
        """How long before its time is up the run stops, s."""
        return self._given_margin if self._given_margin is not None else self._floor_s + LONGEST_STEPS * self._longest_s

    def __str__(self) -> str:
        """What the log says; empty where there is no limit."""
        if self._end is None:
            return ""
        how = (
            f"{self.margin_s:g} s before" if self._given_margin is not None else f"at least {self.margin_s:g} s before"
        )
        return f"wall time: {slurm_words(self._left())} by {self._source}; the run stops {how}"

    def __enter__(self) -> WallClock:
        if self._end is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._end is not None:
            self._thread.join(timeout=1.0)

    @contextlib.contextmanager
    def measuring(self, step: Callable[[], int]) -> Iterator[None]:
        """While this lasts, the longest time between two steps is measured; `step` gives the present one."""
        self._changed, self._step = None, step
        try:
            yield
        finally:
            self._step = None

    def _take(self, left: TimeLeft | None) -> None:
        if left is not None:
            self._end, self._source = now() + left.seconds, left.source
            self._floor_s = max(0.0, min(MARGIN_S, left.seconds / 10))

    def _left(self) -> float:
        assert self._end is not None
        return self._end - now()

    def _look(self) -> None:
        while not self._over.wait(LOOKED_EVERY_S):
            self._measure()
            if self._left() > self.margin_s:
                continue
            if self._ask_queue:  # somebody may have given the job more time
                floor = self._floor_s
                self._take(time_left())
                self._floor_s = floor
                if self._left() > self.margin_s:
                    continue
            self._stops.ask(WALL_TIME)
            return

    def _measure(self) -> None:
        step = self._step
        if step is None:
            return
        reached, seen = step(), now()
        if self._changed is None:
            self._changed = (reached, 0.0)  # the first step comes after a set-up, which is no step
        elif reached != self._changed[0]:
            if self._changed[1]:
                self._longest_s = max(self._longest_s, seen - self._changed[1])
            self._changed = (reached, seen)
