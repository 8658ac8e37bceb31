"""The study file: what is trained, who labels, what explores, which frames are taken, and when it is enough."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.loading import parse_run_file, read_mapping
from lamplighter.config.potential import absolute
from lamplighter.config.problems import section_of
from lamplighter.config.quantity import Duration, Force, Length, Quantity
from lamplighter.config.run_file import RunFile
from lamplighter.config.section import ConfigSection
from lamplighter.config.stages import Minimise, steps_of
from lamplighter.errors import ConfigError
from lamplighter.guard_criteria import PRESETS, VARIANCE_OF_ACTIVE_LEARNING
from lamplighter.run_folder.folder import run_file_text
from lamplighter.training.train_file import TrainFile

Share = Annotated[float, Field(ge=0.0, le=1.0)]

MEASURES = {"variance": VARIANCE_OF_ACTIVE_LEARNING, "extrapolation": 1.0}
"""What frames may be selected by, and its threshold where none is given: of γ, the largest of the training set."""

COMMITTEE_EVERY = 20
"""Steps between evaluations of all models, where the run file does not say."""

_OWN_KEYS = {"structure": "exploration.starts", "seed": "itself (each run has its own)"}
"""Keys of the run file that the study file says in other words."""


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
    """

    generations: int = Field(ge=1)
    uncertain_share: Share | None = None
    forces: Force | None = None


class EvaluationSection(ConfigSection):
    """What is measured of each generation beside its errors over the test sets.

    Attributes:
        along: Frames drawn at random from its runs and labelled: errors along the models' own trajectories.
    """

    along: int = Field(default=0, ge=0)


class LearnFile(ConfigSection):
    """A study file.

    Attributes:
        training: A train file, or what is in one: data of the first generation, trainer, seeds.
        first: Whether the first generation is trained, or is the start model of the train file as it is.
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
    first: Literal["trained", "start"] = "trained"
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
        return self


class Study:
    """A study file that was read, with the files that it names.

    Attributes:
        given: Its keys.
        folder: Of the study.
        source: What the file is called in messages.
        train_file: Of the first generation, resolved.
        run: What is in the run file.
        recipes, files: What runs begin from, by their names.
    """

    def __init__(self, given: LearnFile, base: Path, folder: Path, source: str) -> None:
        self.given, self.folder, self.source, self._base = given, folder, source, base
        self.train_file = _train_file(given, base, source)
        self.run, self._run_base = _run(given, base, source)
        self._require_run()
        starts = given.exploration.starts
        self.recipes = {name: absolute(path, base) for name, path in starts.recipes.items()}
        self.files = {name: absolute(path, base) for name, path in starts.files.items()}
        for path in (*self.recipes.values(), *self.files.values()):
            if not path.is_file():
                raise ConfigError(f"{source}: exploration.starts: {path} does not exist")

    def beside(self, path: Path) -> Path:
        """A path of the study file as an absolute one."""
        return absolute(path, self._base)

    @property
    def seeds(self) -> list[int]:
        """Of the models; the first drives."""
        return self.train_file.seeds

    def run_with(self, models: Sequence[Path], above: float | None) -> dict[str, Any]:
        """The run file's content with the models of a generation, every path absolute and every default written out.

        Args:
            models: The first drives.
            above: The guard's threshold of the measure; None: no run ends because models are uncertain.

        Returns:
            Without `structure` and `seed`.

        Raises:
            ConfigError: the run file is not valid.
        """
        run = self._resolved_run(models, above)
        content: dict[str, Any] = yaml.safe_load(run_file_text(run))
        del content["structure"], content["seed"], content["output"]["folder"]
        return content

    def _resolved_run(self, models: Sequence[Path], above: float | None) -> RunFile:
        content = copy.deepcopy(self.run)
        potential = content.setdefault("potential", {})
        potential["models"] = [str(each) for each in models]
        if self.train_file.python is not None and "python" not in potential:
            potential["python"] = str(self.train_file.python)
        if len(models) > 1:
            content.setdefault("committee", COMMITTEE_EVERY)
        guard = content.get("guard", "active-learning")
        guard = {"preset": guard} if isinstance(guard, str) else dict(guard)
        measure = self.given.selection.measure
        if measure == "extrapolation":
            content.setdefault("extrapolation", COMMITTEE_EVERY)
        if above is not None and measure:
            guard[measure] = above
        if (above is None or measure != "variance") and guard.get(
            "preset"
        ) == "active-learning":  # with a committee, the preset has a threshold of its own
            del guard["preset"]
            guard = {**PRESETS["active-learning"], **guard}
        content["guard"] = guard
        content["structure"] = "start.xyz"
        return parse_run_file(content, f"{self.source}: exploration.run").resolved(self._run_base, "run")

    def _require_run(self) -> None:
        """Refuse what would be found out only once models are trained."""
        source = self.source
        where = f"{source}: exploration.run"
        for key, said in _OWN_KEYS.items():
            if key in self.run:
                raise ConfigError(f"{where}.{key}: is said by {said}: leave it out")
        potential = self.run.get("potential", {})
        for key in ("potential", "guard"):
            if not isinstance(self.run.get(key, {}), dict if key == "potential" else dict | str):
                raise ConfigError(f"{where}.{key}: expected a mapping, got {self.run[key]!r}")
        if named := [key for key in ("models", "calculator", "members", "lammps", "classical") if key in potential]:
            raise ConfigError(f"{where}.potential.{named[0]}: the models of each generation are put here: leave it out")
        for measure in MEASURES:
            if measure in self.run.get("guard", {}):
                raise ConfigError(f"{where}.guard.{measure}: is said by selection.above: leave it out")
        if self.given.selection.by == "variance" and len(self.seeds) < 2:
            raise ConfigError(
                f"{source}: training.seeds: selection by variance needs a committee, and there is one seed: give "
                "several, or select at random or at an interval"
            )
        if isinstance(self.given.selection.above, CalibratedSection) and not self.train_file.data.test:
            raise ConfigError(
                f"{source}: selection.above.error: is found from labelled frames that no model was trained on: give "
                "training.data.test"
            )
        by_extrapolation = self.given.selection.by == "extrapolation"
        models = [Path(f"model_{seed}.lamp") for seed in self.seeds[: 1 if by_extrapolation else None]]
        run = self._resolved_run(models, 1.0 if self.given.selection.measure else None)
        if run.output.trajectory is None:
            raise ConfigError(f"{where}.output.trajectory: frames are selected from trajectories: write one")
        for stage in run.stages:
            if isinstance(stage, Minimise):
                continue
            steps = steps_of(run.output.trajectory, stage.timestep or run.timestep)
            every = self.given.selection.every
            if every is not None and stage is run.stages[-1]:
                wanted = steps_of(every, stage.timestep or run.timestep)
                if wanted % steps or wanted == 0:
                    raise ConfigError(
                        f"{source}: selection.every: frames are wanted every {wanted} steps, and written every {steps} "
                        "(output.trajectory): make it a multiple"
                    )
            evaluated = run.committee if self.given.selection.by == "variance" else run.extrapolation
            if self.given.selection.measure and evaluated is not None and steps % evaluated.every:
                key = "committee" if self.given.selection.by == "variance" else "extrapolation"
                raise ConfigError(
                    f"{where}: a frame is written every {steps} steps, and the models' {self.given.selection.by} is "
                    f"evaluated every {evaluated.every} ({key}): make output.trajectory a multiple of it, so that it "
                    "is known of each frame"
                )


def load_study(given: Path | Mapping[str, Any], output: Path | None = None) -> Study:
    """Read and check a study file, its train file and its run file. Nothing is started.

    Args:
        given: The file, or what it holds; paths of a mapping are relative to the working directory.
        output: In place of the file's.

    Raises:
        ConfigError: it cannot be read, or has wrong keys or values.
    """
    if isinstance(given, Path):
        content = read_mapping(given, "study file", "training, labeller, exploration and stop")
        base, source, name = given.parent.resolve(), f"study file {given}", given.stem
    else:
        content, base, source, name = given, Path.cwd(), "study file", "study"
    section = section_of(LearnFile, content, source)
    return Study(section, base, absolute(output or section.output or Path(name), base), source)


def study_of(content: Mapping[str, Any], base: Path, folder: Path, source: str) -> Study:
    """A study from its keys.

    Args:
        content: The keys.
        base: That paths are relative to.
        folder: Of the study.
        source: What it is called in messages.

    Raises:
        ConfigError: keys or values are wrong.
    """
    return Study(section_of(LearnFile, content, source), base, folder, source)


def _train_file(given: LearnFile, base: Path, source: str) -> TrainFile:
    if isinstance(given.training, Path):
        path = absolute(given.training, base)
        content = dict(read_mapping(path, f"{source}: training:", "trainer, data, seeds, settings and length"))
        base = path.parent
    else:
        content = given.training
    where = f"{source}: training"
    if "output" in content:
        raise ConfigError(f"{where}.output: models go into the folder of the study: leave it out")
    train_file = section_of(TrainFile, content, where).resolved(base, "training")
    if given.first == "start":
        if train_file.start is None:
            raise ConfigError(f"{source}: first: start: the train file names none: give training.start")
        if len(train_file.seeds) > 1:
            raise ConfigError(
                f"{source}: first: start: it is one model, and training.seeds has {len(train_file.seeds)}: give one"
            )
    if given.begin == "previous" and train_file.trainer == "gap":
        raise ConfigError(f"{source}: begin: previous: gap goes on with no model: leave it out")
    return train_file


def _run(given: LearnFile, base: Path, source: str) -> tuple[dict[str, Any], Path]:
    """What is in the run file, and the folder that its paths are relative to."""
    if isinstance(given.exploration.run, dict):
        return given.exploration.run, base
    path = absolute(given.exploration.run, base)
    return dict(read_mapping(path, f"{source}: exploration.run:", "stages and what a run file has")), path.parent


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
