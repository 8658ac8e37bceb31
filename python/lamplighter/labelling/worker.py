"""A process that evaluates frames for another one, which gives it a descriptor and its own process id.

The first message opens a method, each further one is a frame. The process leads a group of its own, and ends that group
when its parent is gone, so that no program which it has started is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from ase import Atoms

from lamplighter.errors import LamplighterError
from lamplighter.labelling.method import Method, checked
from lamplighter.structures.labels import Labels

_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Opening:
    """What a worker is told first."""

    method: Method
    elements: Sequence[str]
    threads: int | None
    folder: Path | None


@dataclass(frozen=True)
class Answered:
    """What a worker says of a frame, and of its opening (`frame` -1).

    Attributes:
        frame: Its number.
        labels: None: it failed.
        failure: Why.
        kind: The class of the error; empty: none.
        seconds: That it took.
    """

    frame: int
    labels: Labels | None = None
    failure: str = ""
    kind: str = ""
    seconds: float = 0.0


START = "from lamplighter.labelling.worker import main; main()"
"""What its Python carries out, with both numbers as arguments."""


def main() -> None:
    """What the process does."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGTERM, _end_group)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it ended before it could be watched
        return
    with contextlib.suppress(EOFError, ConnectionError):
        _answer(Connection(descriptor))


def _answer(asked: Connection) -> None:
    opening: Opening = asked.recv()
    try:
        evaluator = checked(opening.method, opening.elements, opening.threads, opening.folder)
    except LamplighterError as problem:
        asked.send(Answered(-1, failure=str(problem), kind=type(problem).__name__))
        return
    with evaluator as opened:
        asked.send(Answered(-1))
        while True:
            frame, atoms = asked.recv()
            asked.send(_answered(opened, frame, atoms))


def _answered(evaluator: object, frame: int, atoms: Atoms) -> Answered:
    began = time.perf_counter()
    try:
        labels = evaluator.evaluate(atoms)  # type: ignore[attr-defined]
    except LamplighterError as problem:
        return Answered(frame, None, str(problem), type(problem).__name__, time.perf_counter() - began)
    return Answered(frame, labels, seconds=time.perf_counter() - began)


def _end_group(number: int, where: FrameType | None) -> None:
    os.killpg(0, signal.SIGKILL)
