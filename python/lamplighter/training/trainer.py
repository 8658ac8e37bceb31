"""The interface of a trainer: what it is asked, and what it says of its own files."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lamplighter.errors import ConfigError
from lamplighter.model_files.description import Description
from lamplighter.training.training_data import MemberData, TrainingFrame

E0_TOLERANCE = 1e-3
"""eV, of energies of isolated atoms."""

OF_FLOAT32 = 1e-6
"""Relative: numbers that a package may keep in float32, such as energies of some ten thousand eV, or a cutoff."""


@dataclass(frozen=True)
class Assignment:
    """One model to be trained.

    Attributes:
        folder: That the trainer works in.
        name: Of the model.
        data: Frames.
        seed: Of weights and batches.
        start: Model to go on with; None: new weights.
        replay: Frames of its own training, for a second head; None: there is none.
        settings: Keys of the package.
        length: Epochs at most; 0: there are none.
        early_stop: Epochs without a better validation loss.
        device: As the package calls it.
        accelerate: Whether the package's program may do the same sums in another order, where the trainer knows one.
    """

    folder: Path
    name: str
    data: MemberData
    seed: int
    start: Path | None
    replay: list[TrainingFrame] | None
    settings: Mapping[str, Any]
    length: int
    early_stop: int | None
    device: str
    accelerate: bool = False


@dataclass(frozen=True)
class CurvePoint:
    """A line of a learning curve.

    Attributes:
        epoch: Counted from 0; −1: before the first.
        train_loss: Of the package, on training frames; None: it does not say.
        loss: On validation frames.
        energy: RMSE, meV/atom; None: it does not say.
        forces: RMSE, eV/Å.
    """

    epoch: int
    train_loss: float | None = None
    loss: float | None = None
    energy: float | None = None
    forces: float | None = None


@dataclass(frozen=True)
class Check:
    """One thing that was looked at after a training.

    Attributes:
        what: In words.
        expected: What was asked for.
        found: What the package's files say.
        good: Whether that is the same.
    """

    what: str
    expected: str
    found: str
    good: bool


def check(what: str, expected: object, found: object, good: bool | None = None) -> Check:
    """A check; `good` None: both must be equal."""
    return Check(what, str(expected), str(found), expected == found if good is None else good)


class Trainer(Protocol):
    """A package that trains models, by its own program.

    Attributes:
        name: In train files.
        framework: Key of `lamplighter.frameworks.FRAMEWORKS`.
        inside: Program of `training/inside` that says, in the package's own environment, its version and settings.
        writes_at_its_end: Whether `commands` write the model, unless they are ended because it is enough.
        keeps_best: Whether the model is that of the best epoch, also without `early_stop`.
    """

    name: str
    framework: str
    inside: str
    writes_at_its_end: bool
    keeps_best: bool

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """Refuse settings that the package does not know, or that the train file says elsewhere.

        Args:
            settings: Of the train file.
            known: What `inside` said.

        Raises:
            ConfigError: the key is named, with the nearest known one.
        """

    def write(self, asked: Assignment) -> None:
        """Write frames and input into the folder, as the package reads them."""

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """Words after `python` of each command, run in the folder in turn; from a checkpoint if there is one."""

    def curve(self, folder: Path) -> list[CurvePoint]:
        """How far a training is, from the files that the package writes."""

    def epochs(self, folder: Path) -> int:
        """How many epochs are done."""

    def is_enough(self, asked: Assignment) -> bool:
        """Whether `early_stop` wants no further epoch."""

    def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `commands`, after a training that was ended because it is enough, or that writes no model at its end.

        The best model is written, no more.

        Raises:
            LamplighterError: there is no checkpoint to write it from.
        """

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """Whether a model that goes on with another is the same before its first epoch."""

    def begun(self, asked: Assignment) -> Path | None:
        """The model before its first epoch; None: the curve says its errors, or nothing does."""

    def written(self, asked: Assignment) -> CurvePoint | None:
        """The epoch whose model was written; None: the curve does not say its errors."""

    def model(self, asked: Assignment) -> Path:
        """The model file of a training that is done."""

    def checks(self, asked: Assignment, made: Description, log: str) -> list[Check]:
        """What became of what was asked.

        Args:
            asked: What that was.
            made: What the model file says about itself.
            log: What the program printed.
        """


def epochs_without_a_better_one(curve: Iterable[CurvePoint], first: int = 0) -> int:
    """Epochs since the one of the least loss on validation frames.

    Args:
        curve: Of a training.
        first: Epochs before it do not count.
    """
    points = list(curve)
    best = best_of(points, first)
    return 0 if best is None else max(each.epoch for each in points if each.loss is not None) - best.epoch


def best_of(curve: Iterable[CurvePoint], first: int = 0) -> CurvePoint | None:
    """The epoch of the least loss on validation frames, the first of several; None: none was validated.

    Args:
        curve: Of a training.
        first: Epochs before it do not count.
    """
    counted = [(each.loss, each.epoch, each) for each in curve if each.epoch >= first and each.loss is not None]
    return min(counted, key=lambda found: found[:2])[2] if counted else None


def check_lone_atoms(asked: Assignment, made: Description, otherwise: str) -> Check:
    """Whether a model has the energies of isolated atoms of its data; where those lack some, what it has in place.

    Args:
        asked: What was asked for.
        made: What the model file says about itself.
        otherwise: What the trainer takes where an element has no isolated atom.
    """
    what, data = "energies of isolated atoms / eV", asked.data.lone_atoms
    if lacking := [each for each in asked.data.elements if each not in data]:
        return check(what, otherwise, f"{otherwise} (lone atoms lacking: {', '.join(lacking)})", True)
    away = {each: abs(made.atomic_energies.get(each, math.inf) - data[each]) for each in asked.data.elements}
    good = all(away[each] <= E0_TOLERANCE + OF_FLOAT32 * abs(data[each]) for each in away)
    return check(what, "those of the data", f"{max(away.values()):.1e} away", good)


def require_one_weight(asked: Assignment, name: str) -> None:
    """Refuse weights of kinds, for a package whose frames have none.

    Raises:
        ConfigError: kinds have several weights.
    """
    if len(weights := {each.kind: each.weight for each in asked.data.train}) > 1 and len(set(weights.values())) > 1:
        given = ", ".join(f"{kind} {weight:g}" for kind, weight in weights.items())
        raise ConfigError(
            f"data.train: {name} has no weights of frames (given: {given}): give all kinds one weight, and "
            "take less of some by share"
        )


def require_known(settings: Iterable[str], known: Iterable[str], said_by: Mapping[str, str], place: str) -> None:
    """Refuse keys that a package does not know, or that the train file says in its own words.

    Args:
        settings: Keys that are given.
        known: Keys of the package.
        said_by: Keys of the package, and what says the same in the train file.
        place: Of the settings, for messages, such as `settings`.

    Raises:
        ConfigError: the key, with the nearest known one or the place that says it.
    """
    names = sorted(known)
    for key in settings:
        if key in said_by:
            raise ConfigError(f"{place}.{key}: is said by {said_by[key]} of the train file: leave it out here")
        if key not in names:
            close = difflib.get_close_matches(str(key), names, n=1, cutoff=0.5)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(f"{place}.{key}: the package has no such setting{hint}; it has {len(names)}")


class ValidatedEachEpoch:
    """What trainers share whose programs validate after each epoch: how far they are is in their curve."""

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`."""
        raise NotImplementedError

    def epochs(self, folder: Path) -> int:
        """As `Trainer.epochs`."""
        curve = self.curve(folder)
        return curve[-1].epoch + 1 if curve else 0

    def is_enough(self, asked: Assignment) -> bool:
        """As `Trainer.is_enough`."""
        waited = epochs_without_a_better_one(self.curve(asked.folder))
        return asked.early_stop is not None and waited >= asked.early_stop
