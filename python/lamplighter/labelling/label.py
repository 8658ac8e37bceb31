"""The frames of a file are labelled by a reference method, on several processes, and what is done is never lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from lamplighter.driver.environment import cores_of_this_node
from lamplighter.driver.interruption import SIGNALS, stop_by
from lamplighter.errors import Interrupted, LamplighterError
from lamplighter.json_text import plain
from lamplighter.labelling.electrons import OfSilentFrames
from lamplighter.labelling.frames import InputFrames
from lamplighter.labelling.journal import Journal
from lamplighter.labelling.labelling import Labelling
from lamplighter.labelling.method import Method
from lamplighter.labelling.output import Places, done_before, written
from lamplighter.labelling.progress import Progress
from lamplighter.labelling.worker import Answered, Opening
from lamplighter.labelling.workers import Workers

FUTILE = 10
"""If so many frames fail and none succeeds, labelling ends: a method that is set up wrongly fails for all."""


@dataclass(frozen=True)
class Wishes:
    """How a file is labelled.

    Attributes:
        output: The file with labels.
        electrons: Charge and multiplicity of frames that state none.
        prefix: Before `energy`, `forces` and `stress` in the names of labels, e.g. `REF_`; empty: ASE's own names.
        workers: Processes at once; None: one a core, and of a command one.
        threads: Of each; None: the cores divided by the processes, and of a command as it has them.
        timeout_s: How long a frame may take; None: as long as it does.
        retry: Try frames again that failed before.
        progress: Show the progress on a terminal.
    """

    output: Path
    electrons: OfSilentFrames = field(default_factory=OfSilentFrames)
    prefix: str = ""
    workers: int | None = None
    threads: int | None = None
    timeout_s: float | None = None
    retry: bool = False
    progress: bool = True


def label_file(path: Path, method: Method, wishes: Wishes) -> Labelling:
    """Label the frames of a file.

    The output appears when all frames are done; what is known before is in the journal beside it, from which the same
    call goes on. Frames that fail are written into a file of their own.

    Args:
        path: The frames: anything that ASE reads.
        method: Found possible by its `require_possible`.
        wishes: How.

    Raises:
        TrajectoryError: the frames cannot be read.
        RunFolderBusy: another process labels into the same file.
        LamplighterError: the output is there already and of something else, the method cannot be opened, or the first
            `FUTILE` frames fail.
        Interrupted: a signal came.
    """
    places = Places(wishes.output)
    _require_place(places, path)
    given = InputFrames(path, method, wishes.electrons)
    rests_on = plain(method.provenance())
    if not places.journal.exists() and places.output.exists():
        return done_before(places, given, method, rests_on, wishes.prefix)
    with Journal(places.journal, rests_on, given.keys, wishes.retry) as journal:
        with _signals_end_it(places):
            _evaluate(given, method, wishes, journal, places)
        made = written(places, given, method, rests_on, wishes.electrons, wishes.prefix, journal.known)
        if not made.failures:
            journal.remove()
    return made


def _require_place(places: Places, path: Path) -> None:
    output = places.output
    if output.suffix.lower() not in (".xyz", ".extxyz"):
        raise LamplighterError(f"--output {output} must end in .xyz or .extxyz: labels are written as extended XYZ")
    if not output.parent.is_dir():
        raise LamplighterError(f"--output {output}: the folder {output.parent} does not exist")
    if path.resolve() in (output.resolve(), places.failed.resolve()):
        raise LamplighterError(f"--output {output} would replace the frames {path}: choose another name")


def _evaluate(given: InputFrames, method: Method, wishes: Wishes, journal: Journal, places: Places) -> None:
    for number, why in given.refused.items():
        if number not in journal.known:
            journal.keep(Answered(number, failure=why))
    left = [number for number in range(len(given.frames)) if number not in journal.known]
    if not left:
        return
    cores = cores_of_this_node()
    number_of_workers = min(wishes.workers or method.workers(cores), len(left))
    threads = wishes.threads
    if threads is None and not method.has_own_threads:
        threads = max(1, cores // number_of_workers)
    opening = Opening(method, given.elements, threads, places.folders.absolute())
    succeeded = any(each.labels is not None for each in journal.known.values())
    shown = Progress(method.name, len(given.frames), len(journal.known), number_of_workers, wishes.progress)
    with shown, Workers(opening, number_of_workers, wishes.timeout_s) as workers:
        failed = 0
        for answer in workers.answers(given.asked(number) for number in left):
            journal.keep(answer)
            failed += answer.labels is None
            succeeded = succeeded or answer.labels is not None
            shown.one(answer.labels is None)
            if failed >= FUTILE and not succeeded:
                journal.remove()
                raise LamplighterError(
                    f"the first {failed} frames all fail, so that the others were not tried; frame {answer.frame}: "
                    f"{answer.failure}"
                )


@contextlib.contextmanager
def _signals_end_it(places: Places) -> Iterator[None]:
    """Ctrl-C, and what batch systems send, end labelling in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, where: FrameType | None) -> None:
        stop = stop_by(number)
        raise Interrupted(
            f"{stop.what} ended labelling; what was done is in {places.journal}, and the same command goes on",
            stop.status,
        )

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
