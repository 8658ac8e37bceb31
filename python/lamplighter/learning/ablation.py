"""Many trainings, or many studies, from one file: which data, architectures and settings make a difference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.campaign.campaign_file import (
    LONGEST_NAME,
    AxesSection,
    content_at,
    name_of_point,
    points_of,
    require_known_axes,
)
from lamplighter.config.loading import read_mapping
from lamplighter.config.potential import absolute
from lamplighter.config.problems import section_of
from lamplighter.errors import ConfigError, Interrupted, LamplighterError, RunFolderBusy
from lamplighter.json_text import plain, portable
from lamplighter.learning.learn import learning_so_far
from lamplighter.learning.learning import Learning
from lamplighter.learning.liquids import FromReference, Liquid, from_reference, liquids_of
from lamplighter.learning.significance import LEVEL, holm, welch
from lamplighter.learning.study import Study, study_of
from lamplighter.training.member import Member, member_of_record
from lamplighter.training.train import MODELS, Training, notes_of, wanted_of
from lamplighter.training.train_file import TrainFile, load_train_file

QUANTITIES = ("energy", "forces", "stress")


@dataclass(frozen=True)
class Point:
    """One training, or study, of an ablation.

    Attributes:
        name: Unique and readable: the labels of its axes, joined by `_`.
        labels: On each axis.
        asked: What is trained, or carried out.
    """

    name: str
    labels: dict[str, str]
    asked: TrainFile | Study


@dataclass(frozen=True)
class Ablation:
    """An ablation file that was read.

    Attributes:
        folder: With a folder for each point.
        axes: Labels of the values of each axis.
        points: In the order of the axes.
    """

    folder: Path
    axes: dict[str, list[str]]
    points: list[Point]


@dataclass(frozen=True)
class PointResult:
    """What came of a point.

    Attributes:
        name, labels: As `Point`.
        folder: Of it.
        members: Its models; of a study those of the last generation.
        learning: What came of a study; None: it is one training.
        training_notes: What its training says of data and models.
    """

    name: str
    labels: dict[str, str]
    folder: Path
    members: list[Member]
    learning: Learning | None = None
    training_notes: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What is to be known of it."""
        if self.learning is None:
            alone = "it has one model, so that nothing is known of the spread over models"
            return [*([alone] if len(self.members) == 1 else []), *self.training_notes]
        of_generations = [
            f"generation {each.number}: {note}" for each in self.learning.generations for note in each.notes
        ]
        return [*self.learning.notes, *of_generations]

    def values(self, name: str, quantity: str) -> list[float]:
        """The RMSE of each model over a set: energy in meV/atom, forces in eV/Å, stress in meV/Å³."""
        found = [getattr(each.errors[name], quantity) for each in self.members if name in each.errors]
        return [float(each) for each in found if each is not None]


@dataclass(frozen=True)
class Difference:
    """A point beside the best one, over one set.

    Attributes:
        set: Name of the set.
        quantity: Of `QUANTITIES`.
        best, other: Names of points: the one with the least mean, and another.
        ratio: Of the other's mean over the best's.
        p: Of Welch's t-test over models, after Holm's correction for all pairs of that set and quantity; nan: one of
            both has a single model, or neither has any spread.
    """

    set: str
    quantity: str
    best: str
    other: str
    ratio: float
    p: float

    @property
    def is_seen(self) -> bool:
        """Whether the difference is beyond the spread over models."""
        return self.p < LEVEL


@dataclass(frozen=True)
class AblationResult:
    """What came of an ablation, so far.

    Attributes:
        folder: Of it.
        axes: Labels of the values of each axis.
        points: Those that are done.
        missing: Names of those that were not come to yet.
        failed: Why the others could not be carried out, by their names.
    """

    folder: Path
    axes: dict[str, list[str]]
    points: list[PointResult]
    missing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What is to be known of each point: of studies what they say, and which points have a single model."""
        said: dict[str, list[str]] = {}
        for each in self.points:
            for note in each.notes:
                said.setdefault(note, []).append(each.name)
        return [f"{', '.join(names)}: {note}" for note, names in said.items()]

    @property
    def sets(self) -> list[str]:
        """Names of all sets."""
        return list(dict.fromkeys(name for each in self.points for one in each.members for name in one.errors))

    @property
    def liquids(self) -> list[Liquid]:
        """Of each point that was asked for Q."""
        return liquids_of({each.name: each.learning for each in self.points if each.learning is not None})

    def from_reference(self, quantity: str) -> list[FromReference]:
        """The `density` or `diffusivity` of each point's models beside that of the reference."""
        return from_reference(self.liquids, quantity)

    def differences(self, quantity: str) -> list[Difference]:
        """Each point beside the best one, set by set."""
        found = []
        for name in self.sets:
            given = {each.name: values for each in self.points if (values := each.values(name, quantity))}
            if len(given) > 1:
                found += _beside_the_best(name, quantity, given)
        return found


def is_ablation(content: Mapping[str, Any]) -> bool:
    """Whether a file means many trainings or studies."""
    return {"base", "axes"} <= set(content)


def load_ablation(given: Path | Mapping[str, Any], output: Path | None = None) -> Ablation:
    """Read and check an ablation file, and the train file or study file of each point. Nothing is started.

    Args:
        given: The file, or what it holds; paths of a mapping are relative to the working directory.
        output: Folder; None: the file's name without `.yaml`.

    Raises:
        ConfigError: it cannot be read, or a point of it is not valid (it is named).
    """
    if isinstance(given, Path):
        content = read_mapping(given, "ablation file", "base and axes")
        base, source, name = given.parent.resolve(), f"ablation file {given}", given.stem
    else:
        content, base, source, name = given, Path.cwd(), "ablation file", "ablation"
    section = section_of(AxesSection, content, source)
    if not section.axes:
        raise ConfigError(f"{source}: axes: is required: at least one axis with its values")
    require_known_axes(section, source)
    content_of_base, where = _base(section, base, source)
    folder = absolute(output or Path(name), base)
    points = []
    for labels in points_of(section, source):
        name = name_of_point(labels)
        if len(name.encode()) > LONGEST_NAME:
            raise ConfigError(f"{source}: the name of point {name[:40]}… is too long: name the values yourself")
        point = content_at(section, labels, content_of_base, source)
        if "output" in point:
            raise ConfigError(f"{source}: output: each point has a folder by its name: leave it out of the base")
        points.append(Point(name, labels, _asked(point, where, folder / name, f"{source}: {name}")))
    if twice := sorted({each.name for each in points if [one.name for one in points].count(each.name) > 1}):
        raise ConfigError(f"{source}: two points are called {', '.join(twice)}: name the values yourself")
    axes = {axis: list(dict.fromkeys(each.labels[axis] for each in points)) for axis in section.axes}
    return Ablation(folder, axes, points)


def carry_out(
    ablation: Ablation,
    train: Callable[[TrainFile], Training],
    learn: Callable[[Study], Learning],
    say: Callable[[str], None],
    after_each: Callable[[AblationResult], None],
) -> AblationResult:
    """Train, or carry out, all points that are not done; one that fails is named, and the others go on.

    Raises:
        LamplighterError: all points fail.
        RunFolderBusy: another process carries a point out.
        Interrupted: a signal came; the same call goes on.
    """
    results: list[PointResult] = []
    failed: dict[str, str] = {}
    for number, point in enumerate(ablation.points, start=1):
        say(f"{point.name}: {number} of {len(ablation.points)}")
        try:
            results.append(_carried_out(point, train, learn))
        except (Interrupted, RunFolderBusy):
            raise
        except LamplighterError as problem:
            failed[point.name] = str(problem)
            say(f"{point.name}: {problem}")
        missing = [each.name for each in ablation.points[number:]]
        after_each(AblationResult(ablation.folder, ablation.axes, list(results), missing, dict(failed)))
    if not results:
        raise LamplighterError(
            "all points fail:\n" + "\n".join(f"  {name}: {_first_line(why)}" for name, why in failed.items())
        )
    return AblationResult(ablation.folder, ablation.axes, results, failed=failed)


def _carried_out(
    point: Point, train: Callable[[TrainFile], Training], learn: Callable[[Study], Learning]
) -> PointResult:
    if isinstance(point.asked, Study):
        found = learn(point.asked)
        return PointResult(point.name, point.labels, found.folder, _members_of(found), found)
    made = train(point.asked)
    return PointResult(point.name, point.labels, made.folder, made.members, training_notes=made.notes)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def ablation_so_far(ablation: Ablation) -> AblationResult:
    """What there is of an ablation; nothing is started."""
    results, missing = [], []
    for point in ablation.points:
        found = _done(point, ablation.folder / point.name)
        if found is None:
            missing.append(point.name)
        else:
            results.append(found)
    return AblationResult(ablation.folder, ablation.axes, results, missing)


def _done(point: Point, folder: Path) -> PointResult | None:
    if isinstance(point.asked, Study):
        learning = learning_so_far(point.asked)
        return (
            PointResult(point.name, point.labels, folder, _members_of(learning), learning) if learning.ended else None
        )
    found = [as_asked(point.asked, folder, seed) for seed in point.asked.seeds]
    members = [each for each in found if each is not None]
    if len(members) < len(found):
        return None
    return PointResult(point.name, point.labels, folder, members, training_notes=notes_of(point.asked, members))


def as_asked(given: TrainFile, folder: Path, seed: int) -> Member | None:
    """The model of a seed that is done as it is asked for now; None: there is none."""
    for record in sorted((folder / MODELS).glob(f"*_{seed}.json")):
        member = member_of_record(record)
        if portable(member.record["asked"], given.base) == plain(wanted_of(given, seed)):
            return member
    return None


def _members_of(learning: Learning) -> list[Member]:
    """Models of the last generation that were trained; none where it is the start model."""
    if not learning.generations:
        return []
    records = sorted(learning.generations[-1].folder.glob(f"training/**/{MODELS}/*.json"))
    return [member_of_record(each) for each in records]


def _base(section: AxesSection, base: Path, source: str) -> tuple[Mapping[str, Any], Path]:
    if isinstance(section.base, dict):
        return section.base, base
    path = absolute(section.base, base)
    return read_mapping(path, f"{source}: base:", "a train file's, or a study file's"), path.parent


def _asked(content: dict[str, Any], base: Path, folder: Path, source: str) -> TrainFile | Study:
    if "labeller" in content:
        return study_of(content, base, folder, source)
    try:
        return load_train_file(content, base).model_copy(update={"output": folder})
    except ConfigError as problem:
        raise ConfigError(f"{source}: {problem}") from None


def _beside_the_best(name: str, quantity: str, given: Mapping[str, Sequence[float]]) -> list[Difference]:
    """All pairs are corrected for, as which one is best was not known before."""
    best = min(given, key=lambda each: float(np.mean(given[each])))
    pairs = list(itertools.combinations(given, 2))
    corrected = dict(zip(pairs, holm([welch(given[one], given[other]) for one, other in pairs]), strict=True))
    least = float(np.mean(given[best]))
    return [
        Difference(
            name,
            quantity,
            best,
            other,
            float(np.mean(given[other])) / least if least else math.nan,
            corrected.get((best, other), corrected.get((other, best), math.nan)),
        )
        for other in given
        if other != best
    ]
