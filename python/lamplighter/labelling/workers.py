"""A bounded number of processes that evaluate frames, each at its own pace; one that dies is followed by another."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import IO

from ase import Atoms

from lamplighter import errors, launcher
from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.labelling.worker import START, Answered, Opening

_LOOK_AGAIN_S = 1.0
_SHOWN = 400  # characters of what a worker said last


class _Worker:
    """One process."""

    def __init__(self, opening: Opening) -> None:
        ours, theirs = socket.socketpair()
        self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        command = [sys.executable, "-c", START, str(theirs.fileno()), str(os.getpid())]
        try:
            self.process = subprocess.Popen(
                command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said,
                env=_environment(opening.threads), start_new_session=True,
            )  # fmt: skip
        except OSError as problem:
            raise EnvironmentProblem(f"{sys.executable} cannot be started: {problem.strerror or problem}") from problem
        finally:
            theirs.close()
        self.connection = Connection(ours.detach())
        self.connection.send(opening)
        self.frame: int | None = -1
        """At which it is; -1: it opens the method; None: at none."""
        self.since = time.monotonic()

    def ask(self, frame: int, atoms: Atoms) -> None:
        self.frame, self.since = frame, time.monotonic()
        with contextlib.suppress(ConnectionError):  # it has died: listening to it tells
            self.connection.send((frame, atoms))

    def end(self) -> str:
        """End it with all that it has started; how it ended."""
        with contextlib.suppress(OSError):
            self.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.2)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        self.said.seek(0)
        text = " ".join(self.said.read().decode("utf-8", errors="replace").split())
        self.said.close()
        how = f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        return f"{how}; it said last: {text[-_SHOWN:]}" if text else how


@dataclass(frozen=True)
class Asked:
    """A frame that is to be evaluated."""

    frame: int
    atoms: Atoms


class Workers:
    """Processes that evaluate frames; use it in a `with` statement.

    Args:
        opening: What each of them opens.
        number: How many there are at most.
        timeout_s: How long a frame may take; None: as long as it does.
    """

    def __init__(self, opening: Opening, number: int, timeout_s: float | None) -> None:
        self._opening = opening
        self._number = number
        self._timeout_s = timeout_s
        self._workers: list[_Worker] = []
        self._opens = False  # what one could open, others can: they start together

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []

    def answers(self, frames: Iterable[Asked]) -> Iterator[Answered]:
        """What is said of each frame, as soon as it is known.

        Raises:
            LamplighterError: the method cannot be opened, as it says.
            EnvironmentProblem: a worker ended while it opened the method.
        """
        waiting = iter(frames)
        following = next(waiting, None)
        while following is not None or any(each.frame is not None for each in self._workers):
            while following is not None:
                free = next((each for each in self._workers if each.frame is None), None)
                if free is not None:
                    free.ask(following.frame, following.atoms)
                    following = next(waiting, None)
                elif len(self._workers) < (self._number if self._opens else 1):
                    self._workers.append(_Worker(self._opening))
                else:
                    break
            wait([each.connection for each in self._workers], timeout=_LOOK_AGAIN_S)
            for worker in list(self._workers):
                answer = self._heard(worker)
                if answer is not None:
                    yield answer

    def _heard(self, worker: _Worker) -> Answered | None:
        """What a worker says now of a frame; None: nothing."""
        frame = worker.frame
        try:
            if worker.connection.poll():
                answer: Answered = worker.connection.recv()
                worker.frame = None
                if answer.frame >= 0:
                    return answer
                self._opens = True
                if answer.kind:
                    kind = getattr(errors, answer.kind, LamplighterError)
                    raise kind(answer.failure)
                return None
        except (EOFError, ConnectionError):
            self._workers.remove(worker)
            how = worker.end()
            if frame == -1:
                raise EnvironmentProblem(
                    f"{self._opening.method.name} cannot be opened: its process ended ({how})"
                ) from None
            return None if frame is None else Answered(frame, failure=f"its process ended ({how})")
        late = time.monotonic() - worker.since
        if frame is not None and frame >= 0 and self._timeout_s is not None and late > self._timeout_s:
            self._workers.remove(worker)
            worker.end()
            return Answered(frame, failure=f"took longer than {self._timeout_s:g} s (--timeout)", seconds=late)
        return None


def _environment(threads: int | None) -> dict[str, str]:
    """Without the launcher of this process, and with so many threads for libraries that start their own."""
    given = launcher.without_launcher()
    if threads is not None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        given |= {name: str(threads) for name in names}
    return given
