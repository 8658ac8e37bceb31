"""A study: a study file with the train file and the run files that it names, checked together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lamplighter.config.loading import parse_run_file, read_mapping
from lamplighter.config.potential import absolute
from lamplighter.config.problems import section_of
from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, steps_of
from lamplighter.driver.stage_steps import steps_of_stages
from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.file_suffixes import COMPILED
from lamplighter.guard_criteria import PRESETS
from lamplighter.json_text import portable
from lamplighter.learning.learn_file import COMMITTEE_EVERY, MEASURES, CalibratedSection, LearnFile
from lamplighter.observables.stored_reference import read_stored_reference
from lamplighter.run_folder.folder import run_file_text
from lamplighter.training.train_file import TrainFile

_OWN_KEYS = {"structure": "exploration.starts", "seed": "itself (each run has its own)"}
"""Keys of the run file that the study file says in other words."""

_NAMES_OF_ITS_OWN = ("explored", "selected", "along")
"""Kinds and sets of frames that a study brings itself."""

_WHO = ("models", "calculator", "members", "lammps", "classical")
"""Keys of `potential` that say who evaluates."""


class Study:
    """A study file that was read, with the files that it names.

    Attributes:
        given: Its keys.
        folder: Of the study.
        source: What the file is called in messages.
        train_file: Of the first generation, resolved.
        first_models: What the first generation is, where it is not trained; empty: it is.
        run: What is in the run file.
        recipes, files: What runs begin from, by their names.
    """

    def __init__(self, given: LearnFile, base: Path, folder: Path, source: str) -> None:
        self.given, self.folder, self.source, self._base = given, folder, source, base
        self.train_file = _train_file(given, base, source)
        self.run, self._run_base = _run(given, base, source)
        self.first_models = _first_models(given, self.train_file, base, source)
        self._require_run()
        self._require_quality_runs()
        bonds = given.evaluation.bonds
        if bonds is not None and not self.beside(bonds).exists():
            raise ConfigError(f"{source}: evaluation.bonds: {self.beside(bonds)} does not exist")
        starts = given.exploration.starts
        self.recipes = {name: absolute(path, base) for name, path in starts.recipes.items()}
        self.files = {name: absolute(path, base) for name, path in starts.files.items()}
        for path in (*self.recipes.values(), *self.files.values()):
            if not path.is_file():
                raise ConfigError(f"{source}: exploration.starts: {path} does not exist")

    def portable(self, value: Any) -> Any:
        """The same with paths below the study file's folder relative to it."""
        return portable(value, self._base)

    @property
    def files_that_are_named(self) -> list[Path]:
        """Recipes, structures, and files of run files and of what Q compares with."""
        bonds = self._resolved_run(self.models_to_come, None).bonds.file
        references = [each for each in self.quality_references if each.is_file()]
        return [
            *self.recipes.values(),
            *self.files.values(),
            *self.quality_runs,
            *references,
            *([bonds] if bonds else []),
        ]

    def beside(self, path: Path) -> Path:
        """A path of the study file as an absolute one."""
        return absolute(path, self._base)

    @property
    def seeds(self) -> list[int]:
        """Of the models; the first drives."""
        return self.train_file.seeds

    @property
    def models_to_come(self) -> list[Path]:
        """What a run is checked with before models are trained: names alone; the first drives."""
        by_extrapolation = self.given.selection.by == "extrapolation"
        return [self.folder / f"model_{seed}.lamp" for seed in self.seeds[: 1 if by_extrapolation else None]]

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
        content = self._with_models(self.run, models)
        if len(models) > 1:
            content.setdefault("committee", COMMITTEE_EVERY)
        guard = content.get("guard", "active-learning")
        guard = {"preset": guard} if isinstance(guard, str) else dict(guard)
        measure = self.given.selection.measure
        if measure == "extrapolation":
            content.setdefault("extrapolation", COMMITTEE_EVERY)
        if above is not None and measure:
            guard[measure] = above
        own_threshold = guard.get("preset") == "active-learning"  # of the variance, where there is a committee
        if own_threshold and (above is None or measure != "variance"):
            del guard["preset"]
            guard = {**PRESETS["active-learning"], **guard}
        content["guard"] = guard
        content["structure"] = "start.xyz"
        return parse_run_file(content, f"{self.source}: exploration.run").resolved(self._run_base, "run")

    def _with_models(self, run: Mapping[str, Any], models: Sequence[Path]) -> dict[str, Any]:
        content = copy.deepcopy(dict(run))
        potential = content.setdefault("potential", {})
        potential["models"] = [str(each) for each in models]
        own = self.train_file.potential_of(models[0])
        if models[0].suffix == COMPILED:
            own.pop("head", None)  # it has one alone
        if "python" in own:
            own["python"] = str(potential.get("python", own["python"]))
        potential |= own
        return content

    def quality_run(self, number: int, model: Path) -> dict[str, Any]:
        """What is in a run file of `evaluation.quality` with a model; the guard is `stability` where it has none.

        Args:
            number: Place of the run file.
            model: That carries it out.

        Returns:
            Every path absolute and every default written out, without the folder.

        Raises:
            ConfigError: the run file is not valid.
        """
        path = self.quality_runs[number]
        content = read_mapping(path, f"{self.source}: evaluation.quality.runs:", "structure, stages and so on")
        where = f"{self.source}: evaluation.quality.runs: {path}"
        _require_no_models(content, where)
        content = self._with_models(content, [model])
        content.setdefault("guard", "stability")
        made: dict[str, Any] = yaml.safe_load(
            run_file_text(parse_run_file(content, where).resolved(path.parent, "run"))
        )
        del made["output"]["folder"]
        return made

    @property
    def quality_runs(self) -> list[Path]:
        """Run files of `evaluation.quality`; none where there is no such section."""
        section = self.given.evaluation.quality
        return [] if section is None else [self.beside(each) for each in section.runs]

    @property
    def quality_references(self) -> list[Path]:
        """What Q compares with."""
        section = self.given.evaluation.quality
        return [] if section is None else [self.beside(each) for each in section.reference]

    def _require_quality_runs(self) -> None:
        for number in range(len(self.quality_runs)):
            self.quality_run(number, self.models_to_come[0])
        for path in self.quality_references:
            if not path.exists():
                raise ConfigError(f"{self.source}: evaluation.quality.reference: {path} does not exist")
            if path.is_file():
                try:
                    read_stored_reference(path)
                except LamplighterError as problem:
                    raise ConfigError(f"{self.source}: evaluation.quality.reference: {problem}") from problem

    def _require_run(self) -> None:
        """Refuse what would be found out only once models are trained."""
        source = self.source
        where = f"{source}: exploration.run"
        for key, said in _OWN_KEYS.items():
            if key in self.run:
                raise ConfigError(f"{where}.{key}: is said by {said}: leave it out")
        _require_no_models(self.run, where)
        data = self.train_file.data
        for kind, name in (*(("train", each) for each in data.train), *(("test", each) for each in data.test)):
            if name in _NAMES_OF_ITS_OWN:
                raise ConfigError(f"{source}: training.data.{kind}.{name}: is a name that the study needs itself")
        if self.given.selection.by == "extrapolation" and self.first_models:
            raise ConfigError(
                f"{source}: selection.by: extrapolation: what the models of `first` were trained on is not known: "
                "train the first generation, or select at random or at an interval"
            )
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
        run = self._resolved_run(self.models_to_come, 1.0 if self.given.selection.measure else None)
        if run.output.trajectory is None:
            raise ConfigError(f"{where}.output.trajectory: frames are selected from trajectories: write one")
        for stage in run.stages:
            if isinstance(stage, Minimise):
                continue
            steps = steps_of(run.output.trajectory, stage.timestep or run.timestep)
            if steps < 1:
                raise ConfigError(f"{where}.output.trajectory: {run.output.trajectory} is less than a step")
            evaluated = run.committee if self.given.selection.by == "variance" else run.extrapolation
            if self.given.selection.measure and evaluated is not None and steps % evaluated.every:
                key = "committee" if self.given.selection.by == "variance" else "extrapolation"
                raise ConfigError(
                    f"{where}: a frame is written every {steps} steps, and the models' {self.given.selection.by} is "
                    f"evaluated every {evaluated.every} ({key}): make output.trajectory a multiple of it, so that it "
                    "is known of each frame"
                )
        if self.given.selection.every is not None:
            _require_frames_at_the_interval(run, self.given.selection.every, source)


def _require_frames_at_the_interval(run: RunFile, every: Quantity, source: str) -> None:
    """Frames at an interval from the first step of the last stage to its last, of a resolved run file."""
    last = run.stages[-1]
    if isinstance(last, Minimise) or last.timestep is None:
        raise ConfigError(f"{source}: selection.every: is of the last stage, which is no dynamics: end with nvt or npt")
    assert run.output.trajectory is not None
    place, steps = steps_of_stages(run.stages)[-1], steps_of(run.output.trajectory, last.timestep)
    wanted, length = steps_of(every, last.timestep), steps_of(last.length, last.timestep)
    for number, what in (
        (wanted, f"frames are wanted every {wanted} steps"),
        (place.begin, f"the last stage begins at step {place.begin}"),
    ):
        if number % steps:
            raise ConfigError(
                f"{source}: selection.every: {what}, and frames are written every {steps} (output.trajectory): make it "
                "a multiple"
            )
    if wanted < 1 or length % wanted:
        raise ConfigError(
            f"{source}: selection.every: the last stage has {length} steps, which is no multiple of {wanted}: its last "
            "frame would be missed"
        )


def _require_no_models(run: Mapping[str, Any], where: str) -> None:
    """Refuse a run file that names who evaluates, or in which sections are something else."""
    for key, kind in (("potential", dict), ("guard", dict | str)):
        if not isinstance(run.get(key, {}), kind):
            raise ConfigError(f"{where}.{key}: expected a mapping, got {run[key]!r}")
    if named := [key for key in _WHO if key in run.get("potential", {})]:
        raise ConfigError(f"{where}.potential.{named[0]}: the models of each generation are put here: leave it out")


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
    if given.begin == "previous" and train_file.start is None:
        try:
            section_of(TrainFile, {**content, "start": "a.model"}, where)
        except ConfigError as problem:
            raise ConfigError(f"{source}: begin: previous goes on with models: {problem}") from None
    return train_file


def _first_models(given: LearnFile, train_file: TrainFile, base: Path, source: str) -> list[Path]:
    """What the first generation is, where it is not trained."""
    if given.first == "trained":
        return []
    if given.first == "start":
        if train_file.start is None:
            raise ConfigError(f"{source}: first: start: the train file names none: give training.start")
        models, said = [train_file.start.model], "first: start: it is one model"
    else:
        models, said = [absolute(each, base) for each in given.first], f"first: there are {len(given.first)}"
        for each in models:
            if not each.is_file():
                raise ConfigError(f"{source}: first: {each} does not exist")
    n_seeds = len(train_file.seeds)
    if len(models) != n_seeds and (given.first == "start" or given.begin == "previous"):
        raise ConfigError(f"{source}: {said}, and training.seeds has {n_seeds}: give as many")
    if len(models) < 2 and given.selection.by == "variance":
        raise ConfigError(f"{source}: first: selection by variance needs a committee, and there is one model: give "
                          "several, or select at random or at an interval")  # fmt: skip
    return models


def _run(given: LearnFile, base: Path, source: str) -> tuple[dict[str, Any], Path]:
    """What is in the run file, and the folder that its paths are relative to."""
    if isinstance(given.exploration.run, dict):
        return given.exploration.run, base
    path = absolute(given.exploration.run, base)
    return dict(read_mapping(path, f"{source}: exploration.run:", "stages and what a run file has")), path.parent
