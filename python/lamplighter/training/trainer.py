"""The interface of a trainer: what it is asked, and what it says of its own files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lamplighter.errors import ConfigError
from lamplighter.model_files.description import Description
from lamplighter.training.training_data import MemberData, TrainingFrame


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
    """

    name: str
    framework: str
    inside: str

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
        """As `commands`, after a training that was ended because it is enough: the best model is written, no more."""

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """Whether a model that goes on with another is the same before its first epoch."""

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
    counted = [each for each in curve if each.epoch >= first and each.loss is not None]
    if not counted:
        return 0
    best = counted[0]
    for each in counted[1:]:
        assert each.loss is not None
        assert best.loss is not None
        if each.loss < best.loss:
            best = each
    return counted[-1].epoch - best.epoch


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
