"""What is wrong with a run file, or a section of one: one line a problem, each with the path of its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lamplighter.config.stages import STAGE_TYPES
from lamplighter.errors import ConfigError

Kind = TypeVar("Kind", bound=BaseModel)


def section_of(kind: type[Kind], given: Mapping[str, Any], source: str) -> Kind:
    """A section from its keys. Paths and defaults are left as they are.

    Raises:
        ConfigError: a key or a value is wrong; `source` names the section in the message.
    """
    try:
        return kind.model_validate(dict(given))
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
    if kind == "value_error":  # a section's own check, in its own words
        said = str(context["error"]) if isinstance(given, dict) else f"{context['error']}, got {given!r}"
        return f"{path}: {said}" if path else said
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
