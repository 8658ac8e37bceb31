"""What somebody may name as a potential in Python: model files, a section of a run file, a run file, a run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.config.loading import load_run_file
from lamplighter.config.potential import PotentialSection
from lamplighter.config.problems import section_of
from lamplighter.config.run_file import RunFile
from lamplighter.driver.members import speaks_of_types
from lamplighter.errors import ConfigError, ModelError
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.run_folder.names import RUN_FILE, STRUCTURE
from lamplighter.structures import read_start_structure

StrPath = str | os.PathLike[str]
Source = StrPath | Sequence[StrPath] | Mapping[str, Any] | PotentialSection | RunFile

_RUN_FILES = (".yaml", ".yml")


@dataclass(frozen=True)
class PotentialSource:
    """A potential, and what the run file around it says.

    Attributes:
        section: With absolute paths.
        drive: Which model of a committee moves the atoms, if the run file has one.
        types: Elements of the atom types, where its lines speak of them and the run file has a structure.
    """

    section: PotentialSection
    drive: Any = None
    types: tuple[str, ...] = ()


def potential_of(given: Source, changes: Mapping[str, Any] = {}) -> PotentialSource:
    """What was named, with some keys of the section changed.

    Raises:
        ConfigError: it is nothing of the kind, or a key or value is wrong.
        ModelError: a file does not exist.
    """
    if isinstance(given, RunFile):
        return _of_run_file(given.resolved(Path.cwd(), default_output="run"), changes)
    if isinstance(given, PotentialSection):
        return PotentialSource(_checked(given.model_dump(exclude_unset=True), changes))
    if isinstance(given, Mapping):
        return PotentialSource(_checked(dict(given), changes))
    if isinstance(given, str | os.PathLike):
        path = Path(given).expanduser()
        run_file = path / RUN_FILE if path.is_dir() else path
        if run_file.is_file() and run_file.suffix in _RUN_FILES and not is_calculator_file(run_file):
            stored = run_file.resolve().parent / STRUCTURE if run_file.name == RUN_FILE else None
            return _of_run_file(load_run_file(run_file), changes, stored)
        models = [path]
    elif isinstance(given, Sequence) and given and all(isinstance(each, str | os.PathLike) for each in given):
        models = [Path(each).expanduser() for each in given]
    else:
        raise ConfigError(
            f"a potential is a model file, a list of them, the potential section of a run file as a mapping, or a run "
            f"file; got {_in_words(given)}"
        )
    for model in models:
        if not model.exists():
            raise ModelError(f"model file {model} does not exist")
        if model.is_dir():
            raise ModelError(f"{model} is a folder that holds no run, and no model file")
    return PotentialSource(_checked({"models": models}, changes))


def _in_words(given: object) -> str:
    if isinstance(given, Sequence) and not given:
        return "an empty list"
    return f"{given!r} ({type(given).__name__})"


def _checked(keys: dict[str, Any], changes: Mapping[str, Any]) -> PotentialSection:
    section = section_of(PotentialSection, {**keys, **changes}, "potential")
    return section.resolved(Path.cwd())


def _of_run_file(run: RunFile, changes: Mapping[str, Any], stored: Path | None = None) -> PotentialSource:
    section = _checked(run.potential.model_dump(exclude_unset=True), changes)
    types: tuple[str, ...] = ()
    if speaks_of_types(section):
        # a run folder has what LAMMPS read, whatever became of the file that it was made from
        update = {"file": stored, "format": "lammps-data"} if stored is not None and stored.is_file() else {}
        types = tuple(read_start_structure(run.structure.model_copy(update=update)).elements)
    return PotentialSource(section, None if run.committee is None else run.committee.drive, types)
