"""What ends a run before it is done, in good order: Ctrl-C, SIGTERM and SIGUSR1 of a batch system, the wall time.

Python runs signal handlers between its own instructions, of which there are none while LAMMPS integrates. So
the signal's number goes through a pipe to a thread, which sets a variable that LAMMPS looks at every step
(`fix halt`; rank 0's value counts for all ranks). A second Ctrl-C ends all ranks at once. A batch system may send its
signals several times over, by its own hand and by that of mpirun: they count once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any

from lamplighter import exit_status, launcher
from lamplighter.errors import Interrupted, LamplighterError, QueueProblem

OF_BATCH_SYSTEMS = (signal.SIGTERM, signal.SIGUSR1)
SIGNALS = (signal.SIGINT, *OF_BATCH_SYSTEMS)

SHORT_S = 180.0
"""SIGUSR1 with less than this left says that time is up: Slurm sends it up to a minute before what was asked for."""

PATIENCE_S = 10.0
"""How long a run may take to notice that it is to end, where nothing would be saved by waiting any longer."""


MORE_TIME = "give it more time"
"""In all messages of runs that their wall time is too short for: another job, or a longer one, mends it."""


@dataclass(frozen=True)
class Stop:
    """What asks a run to end.

    Attributes:
        what: Its name in messages: `SIGTERM`, `the wall time`.
        status: The exit status that follows.
        is_wall_time: It came from the clock, so that the next try has no more time than this one.
    """

    what: str
    status: int
    is_wall_time: bool = False


WALL_TIME = Stop("the wall time", exit_status.LATER, is_wall_time=True)


def stop_by(number: int) -> Stop:
    """What a signal asks for: what batch systems send means that the same command will do later."""
    name = signal.Signals(number).name
    return Stop(name, exit_status.LATER if number in OF_BATCH_SYSTEMS else 128 + number)


def end_at_once(comm: Any, status: int = 1) -> None:
    """End all ranks without waiting for anything."""
    if comm.Get_size() == 1:
        os._exit(status)
    comm.Abort(status)


def mind_early_signals() -> None:
    """From here to the start of `StopRequests`, signals of batch systems end the process with their exit status."""
    if threading.current_thread() is threading.main_thread():
        for number in OF_BATCH_SYSTEMS:
            signal.signal(number, _too_early)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_BATCH_SYSTEMS)  # as `signals_held` left them to this program


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Have signals of batch systems wait for the program that this process becomes, or for the end of the block.

    Whoever starts programs after a block that was left without a new program must not hand down what was held in it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_BATCH_SYSTEMS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class StopRequests:
    """Collects what asks a run to end; the first one counts. A context manager, on all ranks.

    Signals are heard in the main thread of the process alone, as Python handles them there.

    Args:
        comm: mpi4py communicator of all ranks.

    Attributes:
        first: What came first; None: nothing yet. Rank 0's counts for all ranks (`agreed`).
        time_left: Says how many seconds a run has left; None: nobody knows.
        came_further: Something was kept with which a run that goes on does not begin where this one did.
    """

    def __init__(self, comm: Any) -> None:
        self.first: Stop | None = None
        self.came_further = False
        self.time_left: Callable[[], float] | None = None
        self._comm = comm
        self._action: Callable[[], None] | None = None
        self._last_words: list[Callable[[], None]] = []
        self._patient = False
        self._hears = threading.current_thread() is threading.main_thread()
        self._old_handlers: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._noticed = threading.Event()

    def __enter__(self) -> StopRequests:
        if not self._hears:
            return self
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._old_handlers = {number: signal.signal(number, _do_nothing) for number in SIGNALS}
        self._old_descriptor = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._hear, name="lamplighter-signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._noticed.set()
        if not self._hears:
            return
        signal.set_wakeup_fd(self._old_descriptor)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        os.close(self._writing)
        self._thread.join(timeout=1.0)
        os.close(self._reading)

    def ask(self, stop: Stop) -> None:
        """Ask the run to end; from any thread."""
        if stop.what == "SIGUSR1" and self.time_left is not None and self.time_left() < SHORT_S:
            stop = replace(stop, is_wall_time=True)
        with self._lock:
            if self.first is not None:
                return
            self.first = stop
            action = self._action
        if action is not None:
            action()
        threading.Thread(target=self._hurry, args=(stop,), name="lamplighter-hurry", daemon=True).start()

    def agreed(self) -> Stop | None:
        """What asked rank 0 first. Collective."""
        found: Stop | None = self._comm.bcast(self.first, root=0)
        return found

    def check(self, doing: str) -> None:
        """End here if that is asked for. Collective.

        Args:
            doing: What is ended, for the message.

        Raises:
            Interrupted, QueueProblem: on all ranks.
        """
        if (stop := self.agreed()) is not None:
            raise self.ending(stop, doing)

    def ending(self, stop: Stop, doing: str) -> LamplighterError:
        """What is raised for `stop`; of the wall time no word to try again, where that would end at the same place."""
        self._noticed.set()
        if stop.is_wall_time and not self.came_further:
            return QueueProblem(
                f"{WALL_TIME.what} was up before the run had come any further than where it began, and would be so "
                f"again: {MORE_TIME}, or more ranks (it ended {doing})"
            )
        return Interrupted(f"{stop.what} ended {doing}", stop.status)

    @contextlib.contextmanager
    def passed_to(self, action: Callable[[], None]) -> Iterator[None]:
        """While this lasts, `action` is called when a run is to end, in a thread, and the run has the time it takes."""
        self._patient = True
        with self._lock:
            self._action = action
            late = self.first is not None
        if late:
            action()
        try:
            yield
        finally:
            self._action, self._patient = None, False

    def at_a_hurried_end(self, action: Callable[[], None]) -> None:
        """Call this before all ranks are ended without waiting."""
        self._last_words.append(action)

    def _hear(self) -> None:
        interrupts = 0
        while data := os.read(self._reading, 1):
            if data[0] not in SIGNALS:
                continue
            interrupts += data[0] == signal.SIGINT
            if interrupts > 1:
                end_at_once(self._comm)
            self.ask(stop_by(data[0]))

    def _hurry(self, stop: Stop) -> None:
        """End all ranks where the main thread does not notice, and has nothing to save."""
        if stop.status != exit_status.LATER or self._comm.Get_rank() != 0:
            return
        while not self._noticed.wait(PATIENCE_S):
            if not self._patient:
                for action in self._last_words:
                    with contextlib.suppress(Exception):
                        action()
                problem = self.ending(stop, "the run, which was busy with something that it will begin anew")
                print(f"Error: {problem}", file=sys.stderr, flush=True)
                end_at_once(self._comm, stop.status if isinstance(problem, Interrupted) else exit_status.ERROR)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A handler must be set for the number to reach the pipe; the thread does the work."""


def _too_early(number: int, frame: FrameType | None) -> None:
    if launcher.own_rank() == 0:
        print(f"Error: {signal.Signals(number).name} ended the run before its first step", file=sys.stderr, flush=True)
    os._exit(exit_status.LATER)
