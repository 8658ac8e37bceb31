"""Reading a run file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lamplighter.config.problems import section_of
from lamplighter.config.run_file import RunFile
from lamplighter.errors import ConfigError


def load_run_file(path: str | Path) -> RunFile:
    """Read and check a run file. Its paths become absolute and its defaults explicit.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or has wrong keys or values; the message holds a
            line for each problem, with the path of the key, the value and the remedy.
    """
    path = Path(path)
    given = read_mapping(path, "run file", "structure, potential and stages (or workflow)")
    if {"base", "axes"} <= set(given):
        raise ConfigError(
            f"{path} is a campaign file, which means many runs: lamplighter campaign run {path} carries them out, and "
            "campaign list names them"
        )
    return parse_run_file(given, source=str(path)).resolved(path.parent, default_output=path.stem)


def read_mapping(path: Path, called: str, keys: str) -> Mapping[str, Any]:
    """What a YAML file holds.

    Args:
        path: The file.
        called, keys: What it is, and what it should hold, for messages.

    Raises:
        ConfigError: it cannot be read, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{called} {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{called} {path} cannot be read: {_why(path, problem)}") from problem
    try:
        given = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as problem:
        raise ConfigError(f"{called} {path} is not valid YAML: {problem}") from problem
    if not isinstance(given, Mapping):
        raise ConfigError(f"{called} {path} must be a mapping with the keys {keys}")
    return given


def parse_run_file(given: Mapping[str, Any], source: str = "run file") -> RunFile:
    """Check what a run file holds. Paths and defaults are left as they are.

    Raises:
        ConfigError: as `load_run_file`; `source` names the run file in the message.
    """
    return section_of(RunFile, given, source)


def _why(path: Path, problem: Exception) -> str:
    if isinstance(problem, IsADirectoryError):
        stored = path / "run.yaml"
        return "it is a folder" + (f"; the run file of a run folder is {stored}" if stored.is_file() else "")
    if isinstance(problem, OSError):
        return problem.strerror or str(problem)
    return f"it is no UTF-8 text ({problem})"


class _StrictLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys and drops the first in silence; this one refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
