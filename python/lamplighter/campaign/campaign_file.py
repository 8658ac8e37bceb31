"""The campaign file: a base run and axes, expanded into run files that are checked before anything runs."""

from __future__ import annotations

import copy
import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from lamplighter.campaign.dotted_path import set_key
from lamplighter.config.loading import parse_run_file, read_mapping
from lamplighter.config.problems import section_of
from lamplighter.config.run_file import RunFile
from lamplighter.config.section import ConfigSection
from lamplighter.errors import ConfigError
from lamplighter.run_folder.names import LOCK

FILE = "campaign.yaml"
"""The campaign file of a folder that is named in its place."""

LOGS, JOBS, RUN_FILES = "logs", "jobs", "run_files"
"""Folders beside those of the runs: what each run printed, scripts for the queue, the run files."""

LONGEST_NAME = 200
"""Of a run, in bytes: file systems take 255, and files are named after the run."""

_MARKS = ("base", "axes")
LABEL = re.compile(r"\w[\w.+-]*|[+-][\w.+-]*\w[\w.+-]*")
"""What may be in the name of a run folder."""


class AxisSection(ConfigSection):
    """One axis: the keys that it sets, and its values by their labels; without keys each value is a mapping of them."""

    keys: list[str] = Field(default_factory=list)
    values: dict[str, Any] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _labels_of_values(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        given = dict(given)
        if "key" in given and "keys" not in given:
            given["keys"] = [given.pop("key")]
        values = given.get("values")
        if isinstance(values, list):
            labels = [label_of(value) for value in values]
            twice = sorted({label for label in labels if labels.count(label) > 1})
            if twice:
                raise ValueError(
                    f"{', '.join(twice)} is the name of two values; name them yourself, as in values: {{a: …, b: …}}"
                )
            given["values"] = dict(zip(labels, values, strict=True))
        elif isinstance(values, dict):
            wrong = [str(label) for label in values if not LABEL.fullmatch(str(label))]
            if wrong:
                raise ValueError(
                    f"{wrong[0]!r} cannot be in the name of a run folder: labels have letters, digits and _ . + - alone"
                )
            given["values"] = {str(label): value for label, value in values.items()}
        return given

    @model_validator(mode="after")
    def _values_with_keys(self) -> AxisSection:
        if not self.keys:
            for label, value in self.values.items():
                if not isinstance(value, dict) or not value or not all(isinstance(key, str) for key in value):
                    raise ValueError(
                        f"has no key, so that each of its values must be a mapping of keys to values, as in {label}: "
                        f"{{stages.npt.pressure: 1 atm}}"
                    )
        return self

    def settings(self, label: str) -> dict[str, Any]:
        """What a value sets, by dotted keys."""
        value = self.values[label]
        return dict.fromkeys(self.keys, value) if self.keys else value

    @property
    def all_keys(self) -> tuple[str, ...]:
        """Dotted keys that any of its values sets."""
        return tuple(dict.fromkeys(key for label in self.values for key in self.settings(label)))


class AxesSection(ConfigSection):
    """A base and axes, which mean many of its kind: runs, or trainings."""

    base: Path | dict[str, Any]
    axes: dict[str, AxisSection] = Field(default_factory=dict)
    zip: list[list[str]] = Field(default_factory=list)
    exclude: list[dict[str, Any]] = Field(default_factory=list)
    runs: list[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        given = dict(given)
        axes = given.get("axes")
        if isinstance(axes, dict):
            given["axes"] = {
                str(name): {"keys": [str(name)], "values": axis} if isinstance(axis, list) else axis
                for name, axis in axes.items()
            }
        together = given.get("zip")
        if isinstance(together, list) and together and all(isinstance(each, str) for each in together):
            given["zip"] = [together]
        return given

    @model_validator(mode="after")
    def _values_by_their_labels(self) -> AxesSection:
        """Points may name a value by its label, or as it is."""
        for part in (self.exclude, self.runs):
            for point in part:
                for axis, value in point.items():
                    is_label = axis in self.axes and str(value) in self.axes[axis].values
                    point[axis] = str(value) if is_label else label_of(value)
        return self


class CampaignSection(AxesSection):
    """A campaign file."""

    repeats: list[str] = Field(default_factory=lambda: ["seed", "member"])
    ranks: int = Field(default=1, ge=1)


@dataclass(frozen=True)
class CampaignRun:
    """One run of a campaign.

    Attributes:
        name: Unique and readable: the labels of its axes, joined by `_`.
        point: Label on each axis.
        run_file: Resolved; its folder is `folder`.
        folder: Of the run.
    """

    name: str
    point: dict[str, str]
    run_file: RunFile
    folder: Path


@dataclass(frozen=True)
class Campaign:
    """A campaign file that was read, with all its runs.

    Attributes:
        path: The campaign file.
        folder: Where its run folders are: beside the file, named as it is.
        runs: In the order of the axes.
        axes: Names of the axes, and the keys of the run file that each sets.
        zipped: Axes that go together.
        repeats: Those that results are averaged over.
        ranks: MPI ranks of each run.
    """

    path: Path
    folder: Path
    runs: tuple[CampaignRun, ...]
    axes: dict[str, tuple[str, ...]]
    zipped: tuple[tuple[str, ...], ...]
    repeats: tuple[str, ...]
    ranks: int

    def axes_of(self, condition: str) -> set[str]:
        """The axes that set a condition, such as `temperature`: keys that end so; with those that go with them."""
        direct = {axis for axis, keys in self.axes.items() if any(key.split(".")[-1] == condition for key in keys)}
        return direct.union(*(group for group in self.zipped if direct & set(group)))


def label_of(value: Any) -> str:
    """The label of a value: the stems of files, else the text without blanks."""
    if isinstance(value, list | tuple):
        return "-".join(label_of(each) for each in value)
    if isinstance(value, Mapping):
        return "-".join(label_of(each) for each in value.values())
    text = str(value)
    if re.search(r"\.[A-Za-z]\w*$", text):
        text = Path(text).stem
    return re.sub(r"[^\w.+-]+", "", text) or "none"


def is_campaign(path: Path) -> bool:
    """Whether a path is a campaign file, the folder of one, or the folder of its runs."""
    return campaign_path(path) is not None


def campaign_path(path: Path) -> Path | None:
    """The campaign file that a path means; None: it means none. The folder of its runs need not be there yet."""
    if path.is_dir() or not path.exists():
        beside = path.resolve()
        return next((each for each in (path / FILE, beside.parent / f"{beside.name}.yaml") if _has_marks(each)), None)
    return path if path.suffix in (".yaml", ".yml") and _has_marks(path) else None


def load_campaign(path: Path) -> Campaign:
    """Read a campaign file, expand it and check each of its run files. Nothing is written.

    Args:
        path: The file, the folder that holds it as `campaign.yaml`, or the folder of its runs.

    Raises:
        ConfigError: the file, one of its axes or one of its runs is not valid, or two runs have the same name.
    """
    if path.is_dir() or not path.exists():
        found = campaign_path(path) or path
        if found.is_dir():
            raise ConfigError(f"{path} holds no {FILE}, and there is no {path.name}.yaml beside it: name the file")
        path = found
    path = path.resolve()
    given = read_mapping(path, "campaign file", "base and axes")
    if "base" not in given and {"structure", "potential"} & set(given):
        raise ConfigError(
            f"campaign file {path} is the run file of one run, which `lamplighter run` carries out: a campaign file "
            "names it as its base, and has axes"
        )
    base, axes = given.get("base", ""), given.get("axes")
    if not isinstance(base, str | dict):
        raise ConfigError(f"campaign file {path}: base: expected a run file, or what is in one; got {base!r}")
    for name, axis in axes.items() if isinstance(axes, dict) else ():
        if not isinstance(axis, list | dict):
            raise ConfigError(
                f"campaign file {path}: axes.{name}: expected a list of values, or {{key: …, values: …}}; got {axis!r}"
            )
    section = section_of(CampaignSection, given, f"campaign file {path}")
    if not section.axes:
        raise ConfigError(f"campaign file {path}: axes: is required: at least one axis with its values")
    source = f"campaign file {path}"
    require_known_axes(section, source)
    content_of_base, where = _base(section, path)
    folder, runs = path.with_suffix(""), []
    for point in points_of(section, source):
        name, content = name_of_point(point), content_at(section, point, content_of_base, source)
        run_file = parse_run_file(content, f"campaign file {path}: run {name}").resolved(where, name)
        _require_name(name, path)
        own = folder / name
        run_file = run_file.model_copy(update={"output": run_file.output.model_copy(update={"folder": own})})
        runs.append(CampaignRun(name, point, run_file, own))
    names = [run.name for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"campaign file {path}: two runs have the name {', '.join(twice)}: each needs one of its own")
    if not runs:
        raise ConfigError(f"campaign file {path}: exclude: nothing is left of the axes; take a point out of it")
    keys = {name: axis.all_keys for name, axis in section.axes.items()}
    zipped = tuple(tuple(group) for group in section.zip)
    return Campaign(path, folder, tuple(runs), keys, zipped, tuple(section.repeats), section.ranks)


def _has_marks(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return {mark for mark in _MARKS if any(line.startswith(f"{mark}:") for line in lines)} >= {"base", "axes"}


def _base(section: CampaignSection, path: Path) -> tuple[dict[str, Any], Path]:
    """The content of the base run, and the folder that its paths are relative to."""
    if isinstance(section.base, dict):
        return section.base, path.parent
    file = path.parent / section.base
    content = dict(read_mapping(file, f"campaign file {path}: base:", "structure, potential and stages (or workflow)"))
    if "axes" in content:
        raise ConfigError(f"campaign file {path}: base: {file} is a campaign file itself, and not a run file")
    return content, file.parent


def require_known_axes(section: AxesSection, source: str) -> None:
    """Refuse points, zipped axes and repeats that name no axis, or no value of one.

    Args:
        section: What is in the file.
        source: What the file is called in messages.

    Raises:
        ConfigError: the name, with those that there are.
    """
    axes = section.axes
    for part, names in (
        ("zip", [name for group in section.zip for name in group]),
        *(("exclude", list(each)) for each in section.exclude),
        *(("runs", list(each)) for each in section.runs),
        ("repeats", getattr(section, "repeats", []) if "repeats" in section.model_fields_set else []),
    ):
        for name in names:
            if name not in axes:
                close = difflib.get_close_matches(name, axes, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise ConfigError(f"{source}: {part}: there is no axis {name!r}{hint}: {', '.join(axes)}")
    zipped = [name for group in section.zip for name in group]
    if twice := sorted({name for name in zipped if zipped.count(name) > 1}):
        raise ConfigError(f"{source}: zip: axis {twice[0]} is named twice; write all that go together once")
    for name, axis in axes.items():
        if any(_sets_the_folder(axis.settings(label)) for label in axis.values):
            raise ConfigError(f"{source}: axes.{name}: output.folder is no axis: each run has a folder by its name")
    for part, each in [("exclude", e) for e in section.exclude] + [("runs", e) for e in section.runs]:
        for name, label in each.items():
            if label not in axes[name].values:
                raise ConfigError(
                    f"{source}: {part}: axis {name} has no value {label!r}; it has {', '.join(axes[name].values)}"
                )
    for each in section.runs:
        if lacking := [name for name in axes if name not in each]:
            raise ConfigError(f"{source}: runs: {each} lacks the axis {', '.join(lacking)}")


def _sets_the_folder(settings: Mapping[str, Any]) -> bool:
    output = settings.get("output")
    return "output.folder" in settings or (isinstance(output, dict) and "folder" in output)


def points_of(section: AxesSection, source: str) -> Iterator[dict[str, str]]:
    """The points that are listed; else the product of the axes (zipped ones go together), less what is excluded.

    Args:
        section: What is in the file.
        source: What the file is called in messages.

    Yields:
        The label on each axis.

    Raises:
        ConfigError: axes that go together have different numbers of values.
    """
    if section.runs:
        yield from ({name: each[name] for name in section.axes} for each in section.runs)
        return
    in_groups = {name for group in section.zip for name in group}
    groups = [*section.zip, *([name] for name in section.axes if name not in in_groups)]
    columns = []
    for group in groups:
        lengths = {name: len(section.axes[name].values) for name in group}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ConfigError(f"{source}: zip: axes that go together need as many values each; {said}")
        labels = zip(*(section.axes[name].values for name in group), strict=True)
        columns.append([dict(zip(group, each, strict=True)) for each in labels])
    for parts in itertools.product(*columns):
        merged = {name: label for part in parts for name, label in part.items()}
        point = {name: merged[name] for name in section.axes}
        if not any(all(point[name] == label for name, label in each.items()) for each in section.exclude):
            yield point


def name_of_point(point: Mapping[str, str]) -> str:
    """Readable: the labels of its axes, joined by `_`."""
    return "_".join(_in_name(axis, label) for axis, label in point.items())


def content_at(
    section: AxesSection, point: Mapping[str, str], content_of_base: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """The base with the values of a point.

    Raises:
        ConfigError: a key of an axis leads nowhere.
    """
    content = copy.deepcopy(dict(content_of_base))
    for axis, label in point.items():
        for key, value in section.axes[axis].settings(label).items():
            try:
                set_key(content, key, copy.deepcopy(value))
            except ConfigError as problem:
                raise ConfigError(f"{source}: axes.{axis}: {problem}") from None
    return content


def _in_name(axis: str, label: str) -> str:
    """A bare number says too little by itself; of a dotted path the last word does."""
    return f"{label_of(axis.split('.')[-1])}{label}" if re.fullmatch(r"[\d.+-]+", label) else label


def _require_name(name: str, path: Path) -> None:
    if name in (LOGS, JOBS, RUN_FILES, LOCK):
        raise ConfigError(
            f"campaign file {path}: run {name} would have the folder that the campaign needs itself; name the value "
            "otherwise, as in values: {a: …}"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise ConfigError(
            f"campaign file {path}: the name of run {name[:40]}… has {len(name.encode())} bytes, and no file system "
            f"takes many more than {LONGEST_NAME}: name the values yourself, as in values: {{a: …}}"
        )
