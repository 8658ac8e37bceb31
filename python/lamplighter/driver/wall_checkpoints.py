"""Restart files by the clock: a thread of the first rank has LAMMPS pause when one is due, and all ranks write it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from lamplighter.driver.restart_checksum import forget_checksum
from lamplighter.driver.session import Session
from lamplighter.run_folder.names import BY_THE_CLOCK

LOOKED_EVERY_S = 0.1


class WallCheckpoints:
    """Calls `pause` when a restart file is due. A context manager.

    Args:
        every_s: Wall time between two, s; None: none are written.
        pause: Has LAMMPS end its run at the present step; called from a thread.
        active: Whether this is the first rank, whose clock counts.
        goes_on_from: The restart file that the run goes on from, which is not written over first; empty: none.

    Attributes:
        due: A file is to be written as soon as LAMMPS is at rest.
        written_at: The step of the last one; -1: none.
    """

    def __init__(self, every_s: float | None, pause: Callable[[], None], active: bool, goes_on_from: str = "") -> None:
        self.due = False
        self.written_at = -1
        self._number = int(goes_on_from == BY_THE_CLOCK.format("a"))
        self._every_s, self._pause, self._active = every_s, pause, active and every_s is not None
        self._last = time.monotonic()
        self._within = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lamplighter-checkpoints", daemon=True)

    def __enter__(self) -> WallCheckpoints:
        if self._active:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._active:
            self._thread.join(timeout=1.0)

    @contextlib.contextmanager
    def within_dynamics(self, these: bool) -> Iterator[None]:
        """Pause LAMMPS while this lasts alone, if `these` are steps of dynamics: a minimisation would be cut short."""
        with self._lock:
            self._within = these
        try:
            yield
        finally:
            with self._lock:
                self._within = False

    def write(self, session: Session, release: Callable[[], None]) -> None:
        """Write one of the two files in turn, and let LAMMPS go on. Collective.

        Args:
            session: LAMMPS, at rest within dynamics.
            release: Takes back what `pause` did.
        """
        name = BY_THE_CLOCK.format("ab"[self._number % 2])
        if self._active:
            forget_checksum(Path(name))
        session.command(f"write_restart {name}")
        self._number += 1
        self.written_at = session.step
        self.later(session, release)

    def later(self, session: Session, release: Callable[[], None]) -> None:
        """Let LAMMPS go on, without a file where there is nothing of dynamics to keep. Collective."""
        session.command("timer timeout off")  # `fix halt` ends later runs at once, too, until this
        release()
        self._last, self.due = time.monotonic(), False

    def _look(self) -> None:
        assert self._every_s is not None
        while not self._over.wait(min(LOOKED_EVERY_S, self._every_s)):
            with self._lock:
                if self._within and not self.due and time.monotonic() - self._last >= self._every_s:
                    self.due = True
                    self._pause()
