"""The study file: what is trained, who labels, what explores, which frames are taken, and when it is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.campaign.campaign_file import LABEL
from lamplighter.config.quantity import Duration, Force, Length, Quantity
from lamplighter.config.section import ConfigSection
from lamplighter.guard_criteria import VARIANCE_OF_ACTIVE_LEARNING

Share = Annotated[float, Field(ge=0.0, le=1.0)]

MEASURES = {"variance": VARIANCE_OF_ACTIVE_LEARNING, "extrapolation": 1.0}
"""What frames may be selected by, and its threshold where none is given: of γ, the largest of the training set."""

COMMITTEE_EVERY = 20
"""Steps between evaluations of all models, where the run file does not say."""


class LabellerSection(ConfigSection):
    """Who labels: a name alone, or with what it is told (`docs/how_to/label.md`).

    Attributes:
        method: As `lamplighter label --method` has it.
        options: What the class is called with, or further keys of opls-aa.
        charge, multiplicity: Of frames that state none.
        workers, threads, timeout: As the options of `lamplighter label`.
        same_as_data: Check that it says of a training frame what its labels say.
    """

    method: str
    options: dict[str, Any] = Field(default_factory=dict)
    charge: int | None = None
    multiplicity: Annotated[int, Field(ge=1)] | None = None
    workers: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    timeout: str | None = None
    same_as_data: bool = True

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"method": given} if isinstance(given, str) else given


class StartsSection(ConfigSection):
    """What runs begin from.

    Attributes:
        recipes: Of `lamplighter build`, by the names that their runs get; each is packed anew in each generation.
        packings: Of each recipe.
        files: Structures, in place of recipes: the same in each generation, with other velocities.
        go_on: Later generations begin with the last frame of the run before, in place of the same start or a new one.
    """

    recipes: dict[str, Path] = Field(default_factory=dict)
    packings: int = Field(default=1, ge=1)
    files: dict[str, Path] = Field(default_factory=dict)
    go_on: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, str | list):
            given = {"files": given}
        if not isinstance(given, dict):
            return given
        given = dict(given)
        for key in ("recipes", "files"):
            if isinstance(given.get(key), str):
                given[key] = [given[key]]
            if isinstance(given.get(key), list):
                names = [Path(str(each)).stem for each in given[key]]
                if twice := sorted({name for name in names if names.count(name) > 1}):
                    raise _problem(f"two are called {twice[0]}: name them yourself, as in {{a: …, b: …}}", key)
                given[key] = dict(zip(names, given[key], strict=True))
        return given

    @model_validator(mode="after")
    def _one_kind(self) -> StartsSection:
        if bool(self.recipes) == bool(self.files):
            raise _problem("needs either `recipes` (of lamplighter build) or `files` (structures)")
        for name in (*self.recipes, *self.files):
            if not LABEL.fullmatch(name):
                raise _problem(f"{name!r} cannot be in the name of a run folder: name them yourself, with letters, "
                               "digits and _ . + - alone, as in {a: …, b: …}")  # fmt: skip
        if self.files and self.packings != 1:
            raise _problem("is of recipes: a file is one start", "packings")
        return self


class ExplorationSection(ConfigSection):
    """Runs with the models of a generation.

    Attributes:
        run: A run file, or what is in one, without `structure` and without the models.
        starts: One run each.
        ranks: MPI ranks of each run.
        at_once: Runs at once; None: as many as fit.
    """

    run: Path | dict[str, Any]
    starts: StartsSection
    ranks: int = Field(default=1, ge=1)
    at_once: Annotated[int, Field(ge=1)] | None = None


class CalibratedSection(ConfigSection):
    """A threshold that stands for an error, found anew in each generation from labelled frames.

    Attributes:
        error: Of the force on an atom, eV/Å.
    """

    error: Force


class SelectionSection(ConfigSection):
    """Which frame of each run is labelled, and how it counts.

    Attributes:
        by: `variance`: the first frame of which the largest force variance of an atom is above the threshold, else the
            one with the largest; `extrapolation`: the same of the first model's own uncertainty γ; `random`: any frame,
            as a control; `interval`: all frames of the last stage at an interval, from its first to its last.
        above: The threshold, eV²/Å² of a variance; None: 0.5 eV²/Å² of a variance, 1 of γ.
        every: The interval.
        weight: Of these frames in the loss.
        distinct: Root mean square displacement below which two frames of the same atoms count as one, Å.
    """

    by: Literal["variance", "extrapolation", "random", "interval"] = "variance"
    above: Annotated[float, Field(gt=0.0)] | CalibratedSection | None = None
    every: Duration | None = None
    weight: float = Field(default=1.0, gt=0.0)
    distinct: Length = Quantity(0.1, "A")

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> SelectionSection:
        if (self.every is None) == (self.by == "interval"):
            raise _problem("is of `by: interval`, and needed there; write e.g. '50 ps'", "every")
        if self.above is not None and self.by not in MEASURES:
            raise _problem(f"is a threshold of {' or '.join(MEASURES)}, and `by` is {self.by}", "above")
        if isinstance(self.above, CalibratedSection) and self.by != "variance":
            raise _problem("is of the variance of a committee; give a number: γ is 1 at the largest uncertainty of the "
                           "training set", "above.error")  # fmt: skip
        return self

    @property
    def measure(self) -> str:
        """The uncertainty that is looked at; empty: none is."""
        return self.by if self.by in MEASURES else ""


class StopSection(ConfigSection):
    """When it is enough; the first rule that is met ends the loop.

    Attributes:
        generations: At most.
        uncertain_share: Share of runs with a frame above the threshold, or none at all (0), at which it is enough.
        forces: RMSE of forces along the runs at which it is enough, eV/Å; needs `evaluation.along`.
        quality: It is enough when Q has risen by no more than this; needs `evaluation.quality`.
    """

    generations: int = Field(ge=1)
    uncertain_share: Share | None = None
    forces: Force | None = None
    quality: Annotated[float, Field(ge=0.0)] | None = None


class QualitySection(ConfigSection):
    """The quality metric Q of each generation (`docs/theory/quality.md`).

    Attributes:
        runs: Run files without models, npt and nvt, which each model carries out by itself.
        reference: As `lamplighter quality --reference`: run folders, or files of what is known of them.
        horizon, discard, discard_nvt, block, block_spacing, ballistic: As its options.
        ranks: MPI ranks of each run.
    """

    runs: list[Path] = Field(min_length=1)
    reference: list[Path] = Field(min_length=1)
    horizon: str = "1 ns"
    discard: str = "auto"
    discard_nvt: str | None = None
    block: str = "100 ps"
    block_spacing: str = "10 ps"
    ballistic: str = "10 ps"
    ranks: int = Field(default=1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _one_alone(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: [each] if key in ("runs", "reference") and isinstance(each, str) else each
                for key, each in given.items()}  # fmt: skip


class EvaluationSection(ConfigSection):
    """What is measured of each generation beside its errors over the test sets.

    Attributes:
        along: Frames drawn at random from its runs and labelled: errors along the models' own trajectories.
        quality: Runs of each model, and what they are compared with; None: there are none.
        bonds: What bond lengths along the runs are held against: a run folder, or structures of the reference under
            the same conditions; None: the labelled frames of the train file.
    """

    along: int = Field(default=0, ge=0)
    quality: QualitySection | None = None
    bonds: Path | None = None


class LearnFile(ConfigSection):
    """A study file.

    Attributes:
        training: A train file, or what is in one: data of the first generation, trainer, seeds.
        first: Whether the first generation is trained, or is the start model of the train file as it is, or models that
            there are: files, of which the first drives.
        begin: Later generations begin as the train file says (`new` weights, or its start model), or go on with the
            models of the `previous` one.
        labeller: Who labels.
        exploration: Runs that look for what the models do not know.
        selection: Which of their frames are labelled.
        stop: When it is enough.
        evaluation: What is measured of each generation.
        output: The folder; None: the file's name without `.yaml`.
    """

    training: Path | dict[str, Any]
    first: Literal["trained", "start"] | Annotated[list[Path], Field(min_length=1)] = "trained"
    begin: Literal["new", "previous"] = "new"
    labeller: LabellerSection
    exploration: ExplorationSection
    selection: SelectionSection = SelectionSection()
    stop: StopSection
    evaluation: EvaluationSection = EvaluationSection()
    output: Path | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _number_alone(cls, given: Any) -> Any:
        return {"generations": given} if isinstance(given, int) and not isinstance(given, bool) else given

    @model_validator(mode="after")
    def _rules_can_be_met(self) -> LearnFile:
        if self.stop.forces is not None and not self.evaluation.along:
            raise _problem("needs frames along the runs: give evaluation.along, such as 10", "stop.forces")
        if self.stop.uncertain_share is not None and not self.selection.measure:
            raise _problem(f"is of a threshold, and selection.by is {self.selection.by}", "stop.uncertain_share")
        if self.stop.quality is not None and self.evaluation.quality is None:
            raise _problem("needs runs that Q is made from: give evaluation.quality", "stop.quality")
        return self


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
