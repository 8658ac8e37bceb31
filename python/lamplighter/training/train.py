"""A train file is carried out: one member after the other, those that are done left as they are."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lamplighter.errors import LamplighterError, ModelError, RunFolderBusy
from lamplighter.json_text import portable
from lamplighter.model_files.describe import describe
from lamplighter.model_files.trust import sha256
from lamplighter.progress_line import rewritten
from lamplighter.training.deepmd_trainer import DeepmdTrainer
from lamplighter.training.environment import PackagePython
from lamplighter.training.gap_trainer import GapTrainer
from lamplighter.training.mace_trainer import MaceTrainer
from lamplighter.training.member import (
    Evaluate,
    Member,
    fit,
    member_of_record,
    name_begun,
    require_same,
    require_same_asked,
    run_programs,
    with_sets,
)
from lamplighter.training.nequip_trainer import NequipTrainer
from lamplighter.training.sevennet_trainer import SevenNetTrainer
from lamplighter.training.train_file import NO_PART_OF_IT, TrainFile
from lamplighter.training.trainer import Assignment, CurvePoint, Trainer
from lamplighter.training.training_data import (
    TrainingData,
    TrainingFrame,
    read_training_data,
    read_training_frames,
)

_TRAINERS: tuple[Trainer, ...] = (
    MaceTrainer(),
    NequipTrainer("nequip"),
    NequipTrainer("allegro"),
    SevenNetTrainer(),
    DeepmdTrainer(),
    GapTrainer(),
)
TRAINERS: dict[str, Trainer] = {each.name: each for each in _TRAINERS}
"""By their names in train files."""

MODELS = "models"
"""The folder of models, and of a record beside each, in that of a training."""


@dataclass(frozen=True)
class Training:
    """What came of a train file.

    Attributes:
        folder: That holds everything.
        trainer: Its name.
        members: Models, in the order of the seeds.
        length: Epochs that were asked for; 0: it was fitted in one step.
        notes: What is to be known of data and models.
    """

    folder: Path
    trainer: str
    members: list[Member]
    length: int
    notes: list[str] = field(default_factory=list)


def train(
    given: TrainFile,
    evaluate: Evaluate,
    after_each: Callable[[Training], None] = lambda training: None,
    shown: bool = True,
) -> Training:
    """Train all members that are not done.

    Args:
        given: Resolved.
        evaluate: Errors of a model file over a file of labelled frames.
        after_each: Called with what is done so far.
        shown: Show the progress on a terminal.

    Raises:
        LamplighterError: data or start model are no good, a program failed, or did not do what was asked.
        EnvironmentProblem: the package is not there.
        RunFolderBusy: another process trains into the same folder.
    """
    assert given.output is not None
    trainer = TRAINERS[given.trainer]
    data = read_training_data(given.data)
    replay = None
    if given.start is not None and given.start.replay is not None:
        frames = read_training_frames(given.start.replay, given.data.labels)[0]
        replay = [each for each in frames if not each.is_lone_atom]
    assignments = {seed: _assignment(given, data, replay, seed) for seed in given.seeds}
    notes = list(data.notes)
    if given.start is not None:
        _require_fitting(given.start.model, {each: asked.data.elements for each, asked in assignments.items()})
    models = given.output / MODELS
    wanted = {seed: wanted_of(given, seed) for seed in given.seeds}
    with _alone(given.output):
        done: dict[int, Member] = {}
        for seed, asked in assignments.items():
            require_same(asked.folder, wanted[seed], given.base)
            record = models / f"{asked.name}.json"
            if record.is_file() and (known := member_of_record(record)).model.is_file():
                require_same_asked(record, known.record["asked"], wanted[seed], given.base)
                done[seed] = with_sets(record, given.data.test, evaluate)
        if len(done) < len(assignments):
            python = PackagePython(trainer, given.python, given.threads)
            trainer.require_settings(given.settings, python.known)
            left = {seed: asked for seed, asked in assignments.items() if seed not in done}
            with rewritten(shown) as line:

                def report(seed: int, point: CurvePoint) -> None:
                    line(_progress(point, seed, given.length or 0))

                for seed in _programs_done(trainer, python, left, wanted, given.at_once, report):
                    line(f"seed {seed}: {trainer.name}")
                    sets = given.data.test
                    show = partial(report, seed)
                    done[seed] = fit(trainer, python, left[seed], wanted[seed], models, sets, evaluate, show)
                    after_each(_training(given, trainer, done, notes))
    made = _training(given, trainer, done, notes)
    after_each(made)
    return made


def _programs_done(
    trainer: Trainer,
    python: PackagePython,
    left: dict[int, Assignment],
    wanted: dict[int, dict[str, Any]],
    at_once: int,
    report: Callable[[int, CurvePoint], None],
) -> Iterator[int]:
    """Seeds whose programs have ended, as they end; with one at a time it is `fit` that runs them.

    What ends one of several, or the whole, ends the programs of all others; another call goes on with them.
    """
    if at_once == 1 or len(left) < 2:
        yield from left
        return
    over = threading.Event()

    def go_on() -> None:
        if over.is_set():
            raise LamplighterError("another member failed, or the training was ended")

    def run(seed: int) -> int:
        go_on()
        run_programs(trainer, python, left[seed], wanted[seed], partial(report, seed), go_on)
        return seed

    with ThreadPoolExecutor(at_once) as pool:
        waited_for = [pool.submit(run, seed) for seed in left]
        try:
            for each in as_completed(waited_for):
                yield each.result()
        finally:
            over.set()


def _training(given: TrainFile, trainer: Trainer, done: dict[int, Member], notes: list[str]) -> Training:
    assert given.output is not None
    members = [done[seed] for seed in given.seeds if seed in done]
    notes = [*notes, *_notes_of_validation(given, members)]
    return Training(given.output, trainer.name, members, given.length or 0, notes)


def notes_of(given: TrainFile, members: Sequence[Member]) -> list[str]:
    """What is to be known of the data of a training that is done, and of these models: `Training.notes`.

    Raises:
        LamplighterError: frames cannot be read.
    """
    return [*read_training_data(given.data).notes, *_notes_of_validation(given, members)]


def _notes_of_validation(given: TrainFile, members: Sequence[Member]) -> list[str]:
    """What is said of members whose validation is that of a few frames, by which an epoch was chosen or not."""
    chosen = TRAINERS[given.trainer].keeps_best or given.early_stop is not None
    theirs = "the best epoch is theirs" if chosen else "the RMSE is theirs"
    validated = {each.seed: each.errors["validation"] for each in members}
    return [
        f"seed {seed}: {each.leading} of {each.frames} validation frames hold half of the squared errors of "
        f"forces, and {theirs}: validate with frames of what the model is for (data.validation: FILE)"
        for seed, each in validated.items()
        if each.leading
    ]


def _assignment(given: TrainFile, data: TrainingData, replay: list[TrainingFrame] | None, seed: int) -> Assignment:
    assert given.output is not None
    return Assignment(
        given.output / f"member_{seed}",
        _name(given.output, seed),
        data.of_member(seed, given.subset),
        seed,
        None if given.start is None else given.start.model,
        replay,
        given.settings,
        given.length or 0,
        given.early_stop,
        given.device,
        given.accelerates,
    )


def _name(output: Path, seed: int) -> str:
    """Of a member: as it was begun or done, whatever the folder is called since."""
    if begun := name_begun(output / f"member_{seed}"):
        return begun
    own = f"{output.name}_{seed}"
    done = [each.stem for each in sorted((output / MODELS).glob(f"*_{seed}.json"))]
    return own if own in done or len(done) != 1 else done[0]


def wanted_of(given: TrainFile, seed: int) -> dict[str, Any]:
    """What a member rests on. Test sets are no part of it, either."""
    content = given.model_dump(mode="json", exclude={"seeds", *NO_PART_OF_IT})
    del content["data"]["test"]
    files = [file for kind in given.data.train.values() for file in kind.files]
    files += given.data.validation if isinstance(given.data.validation, list) else []
    if given.start is not None:
        files += [given.start.model, *([given.start.replay] if given.start.replay else [])]
    for file in files:
        if not file.is_file():
            raise LamplighterError(f"{file} does not exist")
    asked = {"seed": seed, **content, "sha256": {str(file): sha256(file) for file in files}}
    found: dict[str, Any] = portable(asked, given.base)
    return found


def _require_fitting(start: Path, elements: dict[int, list[str]]) -> None:
    """Elements are those of each seed, which may draw different frames."""
    known = describe(start)
    for seed, each in elements.items():
        if known.elements and (lacking := [element for element in each if element not in known.elements]):
            raise ModelError(
                f"start.model: {start} knows {', '.join(known.elements)}, and training frames of seed {seed} have "
                f"{', '.join(lacking)}: start from a model of these elements, or leave such frames out"
            )


def _progress(point: CurvePoint, seed: int, length: int) -> str:
    said = [f"seed {seed}: epoch {point.epoch + 1} of {length}"]
    said += [f"loss {point.loss:.4g}"] if point.loss is not None else []
    said += [f"energies {point.energy:.1f} meV/atom"] if point.energy is not None else []
    said += [f"forces {point.forces:.3f} eV/Å"] if point.forces is not None else []
    return ", ".join(said)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No second process trains into a folder. The kernel lets go of the lock when this process ends, in any way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "train.lock").open("a")
    except OSError as problem:
        raise LamplighterError(
            f"output: {folder} cannot be written ({problem.strerror or problem}): give another, or make room"
        ) from problem
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderBusy(f"output: another process trains into {folder}: wait for it, or give another") from None
        except OSError:  # a file system without locks
            pass
        yield
