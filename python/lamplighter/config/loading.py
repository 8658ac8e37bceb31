"""Reading a run file, and saying what is wrong with it: one line a problem, each with the path of its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import STAGE_TYPES
from lamplighter.errors import ConfigError


def load_run_file(path: str | Path) -> RunFile:
    """Read and check a run file. Its paths become absolute and its defaults explicit.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or has wrong keys or values; the message holds a
            line for each problem, with the path of the key, the value and the remedy.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"run file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"run file {path} cannot be read: {problem}") from problem
    try:
        given = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as problem:
        raise ConfigError(f"run file {path} is not valid YAML: {problem}") from problem
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"run file {path} must be a mapping with the keys structure, potential and stages (or workflow)"
        )
    return parse_run_file(given, source=str(path)).resolved(path.parent, default_output=path.stem)


def parse_run_file(given: Mapping[str, Any], source: str = "run file") -> RunFile:
    """Check what a run file holds. Paths and defaults are left as they are.

    Raises:
        ConfigError: as `load_run_file`; `source` names the run file in the message.
    """
    try:
        return RunFile.model_validate(dict(given))
    except ValidationError as problem:
        raise ConfigError(describe(problem, source)) from None


def describe(problem: ValidationError, source: str) -> str:
    """All problems of a run file, one a line: `stages[1].temperature: '500 bar' is not a temperature; …`."""
    lines = [_describe_one(each) for each in problem.errors(include_url=False)]
    return f"{source} is not valid:\n" + "\n".join(f"  {line}" for line in dict.fromkeys(lines))


def _describe_one(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    given = error["input"]
    kind = error["type"]
    path = _key_path(error["loc"], str(context.get("key", "")))
    if kind == "missing":
        return f"{path}: is required"
    if kind == "union_tag_invalid":
        return f"{path}.type: {context['tag']!r} is not a stage; choose one of {', '.join(STAGE_TYPES)}"
    if kind == "union_tag_not_found":
        return f"{path}.type: is required; choose one of {', '.join(STAGE_TYPES)}"
    if kind == "literal_error":
        return f"{path}: must be {context['expected']}, got {given!r}"
    if kind in {"quantity", "ramp", "unknown_key", "run_file"}:
        return f"{path}: {context['problem']}" if path else str(context["problem"])
    message = error["msg"][0].lower() + error["msg"][1:]
    return f"{path}: {message}, got {given!r}"


def _key_path(location: Iterable[int | str], last: str = "") -> str:
    """`stages[1].temperature`, without the names that pydantic adds for the alternatives of a union."""
    path = ""
    previous: int | str = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (isinstance(previous, int) and part in STAGE_TYPES) and not _is_alternative(part):
            path += f".{part}" if path else part
        previous = part
    if last:
        path += f".{last}" if path else last
    return path


def _is_alternative(part: str) -> bool:
    return part.startswith(("literal[", "function-"))


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
