"""`run.yaml` of a run that is over: what it asked for, as far as this version understands what wrote it.

Before a run, `config.load_run_file` refuses what it does not know. Of a finished run nothing is refused but what is
asked for and cannot be read, so that runs of other versions, or whose models are elsewhere by now, are analysed alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from lamplighter.config.bonds import BondsSection
from lamplighter.config.guard import GuardSection
from lamplighter.config.problems import describe
from lamplighter.config.quantity import parse_quantity
from lamplighter.config.section import ConfigSection
from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import RUN_FILE

_Kind = TypeVar("_Kind", bound=ConfigSection)


@dataclass(frozen=True)
class Conditions:
    """What a stage was held at throughout.

    Attributes:
        type: "nvt" or "npt".
        temperature: K.
        pressure: bar; None: the volume was constant.
    """

    type: str
    temperature: float
    pressure: float | None


@dataclass(frozen=True)
class PlannedStage:
    """A stage as the run file asked for it.

    Attributes:
        type: As the run file writes it.
        name: The stage's name; its type where it has none.
        conditions: None: there is a ramp, no thermostat, or a quantity that cannot be read.
    """

    type: str
    name: str
    conditions: Conditions | None


class StoredRunFile(dict[str, Any]):
    """The content of `run.yaml` as it stands there, with every default; empty where it cannot be read.

    Args:
        folder: The run folder.
        content: The mapping in the file.
        problem: Why there is none; empty: there is one.
    """

    def __init__(self, folder: Path, content: dict[str, Any], problem: str = "") -> None:
        super().__init__(content)
        self.folder = folder
        self.problem = problem

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / RUN_FILE

    @property
    def guard(self) -> GuardSection:
        """What the run's guard watched.

        Raises:
            RunFolderError: the file cannot be read, or a value in the section is not understood.
        """
        given = self.get("guard")
        return self._read(GuardSection, {"preset": given} if isinstance(given, str) else given, "guard")

    @property
    def bonds(self) -> BondsSection:
        """Which atoms the run was told are bonded; its file is an absolute path.

        Raises:
            RunFolderError: as `guard`.
        """
        bonds = self._read(BondsSection, self.get("bonds"), "bonds")
        return bonds if bonds.file is None else bonds.model_copy(update={"file": self.folder.resolve() / bonds.file})

    @property
    def stages(self) -> list[PlannedStage]:
        """The stages, in order; empty where the file does not say."""
        given = self.get("stages")
        return [_planned(each) for each in given] if isinstance(given, list) else []

    def _read(self, kind: type[_Kind], given: Any, name: str) -> _Kind:
        if self.problem:
            raise RunFolderError(self.problem)
        known = {key: value for key, value in (given or {}).items() if key in kind.model_fields}
        try:
            return kind.model_validate(known)
        except ValidationError as problem:
            raise RunFolderError(describe(problem, f"section {name} of {self.path}")) from None


def read_run_file(folder: Path) -> StoredRunFile:
    """`run.yaml` of a run folder; where it is missing or cannot be read, empty, with the reason."""
    path = folder / RUN_FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return StoredRunFile(folder, {}, f"{path} does not exist")
    except (OSError, ValueError, yaml.YAMLError) as problem:
        return StoredRunFile(folder, {}, f"{path} cannot be read: {problem}")
    if not isinstance(content, dict):
        return StoredRunFile(folder, {}, f"{path} holds no run file: it is no mapping")
    return StoredRunFile(folder, content)


def _planned(given: Any) -> PlannedStage:
    if not isinstance(given, dict):
        return PlannedStage("", "", None)
    kind = str(given.get("type") or "")
    return PlannedStage(kind, str(given.get("name") or kind), _conditions(kind, given))


def _conditions(kind: str, given: dict[str, Any]) -> Conditions | None:
    try:
        if kind == "nvt":
            return Conditions(kind, parse_quantity(given.get("temperature"), "temperature").metal, None)
        if kind == "npt":
            temperature, pressure = (parse_quantity(given.get(key), key).metal for key in ("temperature", "pressure"))
            return Conditions(kind, temperature, pressure)
    except PydanticCustomError:  # a ramp is a list
        pass
    return None
