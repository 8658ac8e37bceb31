"""Options for the limits of criteria: one for each of `CRITERIA` that a trajectory shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar, cast

import typer

from lamplighter.guard_criteria import CRITERIA

Command = TypeVar("Command", bound=Callable[..., None])

SEEN = tuple(criterion for criterion in CRITERIA if criterion.is_seen_in_trajectories)


def option(key: str) -> str:
    """The option of a criterion: `--bond-stretch`."""
    return "--" + key.replace("_", "-")


def with_limits(command: Command) -> Command:
    """Give a command an option for each criterion, after its first argument; it gets what was given as `limits`.

    `limits` holds the texts by key, two of a criterion with bounds.
    """
    own = inspect.signature(command, eval_str=True)
    first, *others = (each for name, each in own.parameters.items() if name != "limits")
    added = [
        inspect.Parameter(
            criterion.key,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[
                tuple[str, str] | None if criterion.has_bounds else str | None,
                typer.Option(option(criterion.key), help=criterion.meaning, metavar=criterion.metavar),
            ],
        )
        for criterion in SEEN
    ]

    @wraps(command)
    def with_options(**given: Any) -> None:
        limits = {criterion.key: given.pop(criterion.key) for criterion in SEEN}
        command(limits={key: text for key, text in limits.items() if text is not None}, **given)

    parameters = [first, *added, *others]
    with_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return cast(Command, with_options)
