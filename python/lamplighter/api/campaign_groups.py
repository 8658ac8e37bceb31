"""A question about runs that is asked of a campaign: an answer for each point of its axes, repeats together."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lamplighter.api.answer import Answer
from lamplighter.campaign.campaign_file import is_campaign
from lamplighter.campaign.finished import Usable, usable
from lamplighter.errors import LamplighterError
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table, joined

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class GroupedAnswers:
    """Answers about a campaign.

    Attributes:
        groups: An answer for each point of the axes that are no repeats, by the labels: `temperature=300K`.
        missing: Why there is none, for the other points.
        notes: Which runs are missing, not finished, or left out.
    """

    groups: dict[str, Answer[Any]]
    missing: dict[str, str]
    notes: tuple[str, ...]


def over_campaigns(function: F) -> F:
    """Let the first argument of a function of runs be a campaign file or its folder, alone or the only one in a list.

    The functions of the commands are the same, so `inspect.unwrap` ends here.
    """

    @functools.wraps(function)
    def asked(runs: Any, *others: Any, **options: Any) -> Any:
        path = campaign_of(runs)
        if path is None:
            return function(runs, *others, **options)
        return _answers(usable(path), lambda folders: function(folders, *others, **options))

    del asked.__wrapped__
    asked.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return asked  # type: ignore[return-value]


def campaign_of(runs: Any) -> Path | None:
    """The campaign that was named; None: runs were.

    Raises:
        LamplighterError: a campaign and other things were named together.
    """
    several = [runs] if isinstance(runs, str | os.PathLike) else list(runs) if isinstance(runs, list | tuple) else []
    paths = [Path(each).expanduser() for each in several if isinstance(each, str | os.PathLike)]
    found = [path for path in paths if is_campaign(path)]
    if found and len(several) > 1:
        raise LamplighterError(f"{found[0]} is a campaign, which is named alone, and there are {len(several)} names")
    return found[0] if found else None


def _answers(given: Usable, ask: Callable[[list[Path]], Answer[Any]]) -> Answer[GroupedAnswers]:
    groups: dict[str, Answer[Any]] = {}
    missing: dict[str, str] = {}
    first: LamplighterError | None = None
    for name, states in given.groups().items():
        try:
            groups[name] = ask([each.run.folder for each in states])
        except LamplighterError as problem:
            missing[name] = str(problem)
            first = first or problem
    if not groups and first is not None:
        raise LamplighterError("; ".join([f"{name}: {why}" for name, why in missing.items()] + list(given.notes)))
    return Answer(GroupedAnswers(groups, missing, given.notes), _shown(next(iter(groups.values())).shown))


def _shown(one: Shown[Any]) -> Shown[GroupedAnswers]:
    def table_of(name: str) -> Callable[[GroupedAnswers], Table]:
        return lambda answers: joined(
            "group", {group: one.tables[name](answer.result) for group, answer in answers.groups.items()}
        )

    return Shown(_text, _json, tables={name: table_of(name) for name in one.tables})


def _text(answers: GroupedAnswers) -> str:
    parts = [f"== {name}\n{str(answer).strip()}" for name, answer in answers.groups.items()]
    parts += [f"== {name}\nnone: {why}" for name, why in answers.missing.items()]
    return "\n\n".join(["\n\n".join(parts), *(f"Note: {note}" for note in answers.notes)])


def _json(answers: GroupedAnswers) -> dict[str, Any]:
    return {
        "groups": {name: answer.to_dict() for name, answer in answers.groups.items()},
        "missing": answers.missing,
        "notes": list(answers.notes),
    }


def every_folder(names: Iterable[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Run folders, of which campaigns are replaced by those of their runs that can be used; and what is said of them.

    Raises:
        ConfigError, RunFolderError: a campaign cannot be read, or has nothing yet.
    """
    folders: list[Path] = []
    notes: list[str] = []
    for name in names:
        if is_campaign(name):
            found = usable(name)
            folders += found.folders
            notes += found.notes
        else:
            folders.append(name)
    return folders, tuple(notes)
