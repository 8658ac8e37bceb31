"""The train file: which trainer, on which frames, how often, going on from what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from lamplighter import pretrained_weights
from lamplighter.config.loading import read_mapping
from lamplighter.config.problems import section_of
from lamplighter.config.section import ConfigSection

TrainerName = Literal["mace", "nequip", "allegro", "sevennet", "deepmd", "gap"]

_IN_ONE_STEP = ("gap",)
"""Trainers without epochs, which go on from no model."""

SHARES = "give validation a file, or a share such as 0.1, or let each member see a share alone (subset: 0.9)"


class KindSection(ConfigSection):
    """Training frames of one kind, such as liquid or molecules.

    Attributes:
        files: Of them.
        weight: Of each of its frames in the loss.
        share: How much of them is taken, drawn anew for each member.
    """

    files: list[Path] = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0.0)
    share: float = Field(default=1.0, gt=0.0, le=1.0)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, str | list):
            given = {"files": given}
        if isinstance(given, dict) and isinstance(given.get("files"), str):
            given = given | {"files": [given["files"]]}
        return given


class LabelsSection(ConfigSection):
    """What the labels are called in all files; None: found by themselves."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None


class DataSection(ConfigSection):
    """Frames.

    Attributes:
        train: By kind.
        validation: Files; or the share of each kind that validates all members; None: what `subset` leaves of each.
        test: Files that are held against each model in the end, by their names.
        labels: Their names.
    """

    train: dict[str, KindSection] = Field(min_length=1)
    validation: float | list[Path] | None = None
    test: dict[str, Path] = Field(default_factory=dict)
    labels: LabelsSection = Field(default_factory=LabelsSection)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, dict):
            given = dict(given)
            if isinstance(given.get("train"), str | list):
                given["train"] = {"all": given["train"]}
            if isinstance(given.get("validation"), str):
                given["validation"] = [given["validation"]]
            if isinstance(given.get("test"), str):
                given["test"] = {"test": given["test"]}
        return given

    @field_validator("test")
    @classmethod
    def _of_another_name(cls, given: dict[str, Path]) -> dict[str, Path]:
        if "validation" in given:
            raise ValueError("validation is the name of the frames that validate each member: give this set another")
        return given

    @field_validator("validation")
    @classmethod
    def _a_share(cls, given: float | list[Path] | None) -> float | list[Path] | None:
        if isinstance(given, float) and not 0.0 < given < 1.0:
            raise ValueError("expected a share between 0 and 1, or files")
        if given == []:
            raise ValueError("expected at least one file, or a share between 0 and 1")
        return given


class StartSection(ConfigSection):
    """A model to go on with.

    Attributes:
        model: Its file.
        replay: Frames with labels of the model's own training, for a second head of MACE; None: naive fine-tuning.
    """

    model: Path
    replay: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given


NO_PART_OF_IT = frozenset({"output", "threads", "at_once", "python", "accelerate"})
"""Keys that a model does not rest on: they may change while it is trained."""


class TrainFile(ConfigSection):
    """A train file.

    Attributes:
        trainer: Whose program trains.
        data: On what.
        seeds: One model each; several are a committee.
        subset: Share of the training frames that each member sees.
        start: A model to go on with; None: new weights.
        settings: Keys of the trainer's own package.
        length: Epochs at most; None of what is fitted in one step.
        early_stop: Epochs without a better validation loss after which a member is done; None: never.
        device: As the package calls it.
        threads: Of the program.
        at_once: How many members are trained at a time.
        accelerate: Whether sums may be done in an order that takes less time; None: where it is known how.
        python: Of the environment that has the package; None: this one.
        output: The folder; None: the file's name without `.yaml`.
    """

    trainer: TrainerName
    data: DataSection
    seeds: list[int] = Field(default_factory=lambda: [1], min_length=1)
    subset: float = Field(default=1.0, gt=0.0, le=1.0)
    start: StartSection | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    length: int | None = Field(default=None, gt=0)
    early_stop: int | None = Field(default=None, gt=0)
    device: str = "cpu"
    threads: int = Field(default=1, gt=0)
    at_once: int = Field(default=1, gt=0)
    accelerate: bool | None = None
    python: Path | None = None
    output: Path | None = None

    _base: Path | None = PrivateAttr(None)

    @property
    def base(self) -> Path | None:
        """The folder of the train file, once paths are absolute: those below it are the same where it was moved."""
        return self._base

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, given: list[int]) -> list[int]:
        if any(each < 0 for each in given):
            raise ValueError("expected whole numbers of 0 at least")
        if twice := sorted({each for each in given if given.count(each) > 1}):
            raise ValueError(f"{twice[0]} is given twice, and would make the same model twice")
        return given

    @model_validator(mode="after")
    def _fits_its_trainer(self) -> TrainFile:
        if self.trainer in _IN_ONE_STEP:
            given = [name for name in ("length", "early_stop", "start") if getattr(self, name) is not None]
            if given:
                raise ValueError(f"{self.trainer} is fitted in one step, from nothing: leave out {', '.join(given)}")
            if odd := [kind for kind in self.data.train if not re.fullmatch(r"[\w.+-]+", kind)]:
                raise ValueError(
                    f"data.train.{odd[0]}: {self.trainer} takes letters, digits and _ . + - in the name of a kind"
                )
        elif self.length is None:
            raise ValueError("length is required: the number of epochs at most")
        if self.trainer == "deepmd" and self.start is not None:
            raise ValueError("start: deepmd goes on with no model here: leave it out")
        if self.trainer != "mace" and self.start is not None and self.start.replay is not None:
            raise ValueError(f"start.replay: {self.trainer} has no second head for frames to replay: leave it out")
        if self.accelerate and not self._can_accelerate:
            raise ValueError("accelerate: is known of trainer mace on the device cpu alone: leave it out")
        return self

    @model_validator(mode="after")
    def _validated_by_something(self) -> TrainFile:
        if self.data.validation is None and self.subset == 1.0:
            raise ValueError(f"no frame is left to validate with: {SHARES}")
        return self

    @property
    def _can_accelerate(self) -> bool:
        return self.trainer == "mace" and self.device == "cpu"

    @property
    def accelerates(self) -> bool:
        """Whether sums are done in another order than the package's."""
        return self._can_accelerate and self.accelerate is not False

    def potential_of(self, model: Path) -> dict[str, Any]:
        """Keys of `potential` of a run file, beside the model, with which a model of this training is evaluated."""
        found: dict[str, Any] = {} if self.python is None else {"python": self.python}
        if self.trainer == "deepmd":
            found["kind"] = "deepmd"  # which its files do not say
        if self.start is not None and self.start.replay is not None and model != self.start.model:
            found["head"] = "Default"  # MACE's name of the head that is not of the replayed frames
        return found

    def resolved(self, base: Path, default_output: str) -> TrainFile:
        """The same with absolute paths. Links of `python` stay: that of an environment leads out of it."""

        def absolute(path: Path) -> Path:
            return (base / path.expanduser()).resolve()

        validation = self.data.validation
        data = self.data.model_copy(
            update={
                "train": {
                    kind: each.model_copy(update={"files": [absolute(file) for file in each.files]})
                    for kind, each in self.data.train.items()
                },
                "validation": [absolute(file) for file in validation] if isinstance(validation, list) else validation,
                "test": {name: absolute(file) for name, file in self.data.test.items()},
            }
        )
        python = self.python and (base / self.python.expanduser()).absolute()
        start = self.start and self.start.model_copy(
            update={
                "model": absolute(pretrained_weights.file_of(self.start.model, base, python)),
                "replay": self.start.replay and absolute(self.start.replay),
            }
        )
        made = self.model_copy(
            update={
                "data": data,
                "start": start,
                "python": python,
                "output": absolute(self.output or Path(default_output)),
            }
        )
        made._base = base.resolve()
        return made


def load_train_file(given: Path | Mapping[str, Any], base: Path | None = None) -> TrainFile:
    """Read and check a train file. Its paths become absolute.

    Args:
        given: The file, or what it holds.
        base: Folder that paths of a mapping are relative to; None: the working directory.

    Raises:
        ConfigError: it cannot be read, or has wrong keys or values; a line for each.
    """
    if isinstance(given, Path):
        content = read_mapping(given, "train file", "trainer, data, seeds, settings and length")
        return _checked(content, f"train file {given}").resolved(given.parent, given.stem)
    return _checked(given, "train file").resolved(base or Path.cwd(), "training")


def _checked(given: Mapping[str, Any], source: str) -> TrainFile:
    return section_of(TrainFile, given, source)
