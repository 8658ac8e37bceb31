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
from lamplighter.api.campaign import Campaign
from lamplighter.campaign.campaign_file import Campaign as CampaignFile
from lamplighter.campaign.campaign_file import is_campaign, load_campaign
from lamplighter.campaign.finished import Group, Usable, usable
from lamplighter.errors import LamplighterError
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table, joined

F = TypeVar("F", bound=Callable[..., Any])
Ask = Callable[[Group, list[Path]], Answer[Any]]


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


def over_campaigns(joined: str = "") -> Callable[[F], F]:
    """Let the first argument of a function of runs be a campaign: open, its file or folder, alone or alone in a list.

    So may its `reference` be, of which each answer takes the runs at the same point. The functions of the commands are
    the same, so `inspect.unwrap` ends here.

    Args:
        joined: The condition along which the function asks: runs at all its values make one answer.
    """

    def over(function: F) -> F:
        @functools.wraps(function)
        def asked(runs: Any, *others: Any, **options: Any) -> Any:
            campaign, reference = campaign_of(runs), campaign_of(options.get("reference"))
            compared = None if reference is None else usable(reference)
            if campaign is None:
                if compared is not None:
                    options["reference"] = _at_point(compared, {}, "these runs")
                return function(runs, *others, **options)

            def ask(group: Group, folders: list[Path]) -> Answer[Any]:
                if compared is not None:
                    options["reference"] = _at_point(compared, group.point, group.name)
                answer: Answer[Any] = function(folders, *others, **options)
                return answer

            return _answers(usable(campaign), joined, ask)

        del asked.__wrapped__
        asked.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return asked  # type: ignore[return-value]

    return over


def campaign_of(runs: Any) -> CampaignFile | None:
    """The campaign that was named; None: runs were, or nothing.

    Raises:
        LamplighterError: a campaign and other things were named together, or its file is not valid.
    """
    several = list(runs) if isinstance(runs, list | tuple) else [runs]
    found = [each for each in several if _is_campaign(each)]
    if found and len(several) > 1:
        raise LamplighterError(f"{found[0]} is a campaign, which is named alone, and there are {len(several)} names")
    if not found:
        return None
    return found[0].file if isinstance(found[0], Campaign) else load_campaign(Path(found[0]).expanduser())


def _is_campaign(given: Any) -> bool:
    if isinstance(given, str | os.PathLike) and not isinstance(os.fspath(given), bytes):
        return is_campaign(Path(given).expanduser())
    return isinstance(given, Campaign)


def _at_point(reference: Usable, point: dict[str, str], of: str) -> list[Path]:
    """The runs of a reference campaign whose labels are those of a point, on the axes that both have.

    Raises:
        LamplighterError: there are none, or they are at several points of axes that the other campaign lacks.
    """
    groups = reference.groups()
    found = [each for each in groups if all(point.get(axis, label) == label for axis, label in each.point.items())]
    if len(found) == 1:
        return found[0].folders
    path, names = reference.campaign.path, "; ".join(each.name for each in found or groups)
    why = f"has {len(found)} points" if found else "has no point"
    raise LamplighterError(
        f"--reference: campaign {path} {why} that {of} could be compared with ({names}): name the run folders of one, "
        "or give its values the labels of the other campaign"
    )


def _answers(given: Usable, joined: str, ask: Ask) -> Answer[GroupedAnswers]:
    groups: dict[str, Answer[Any]] = {}
    missing: dict[str, str] = {}
    notes = list(given.notes)
    for group in given.groups(joined):
        try:
            groups[group.name] = ask(group, group.folders) if joined else _answer(group, ask, notes)
        except LamplighterError as problem:
            missing[group.name] = str(problem)
    if not groups:
        raise LamplighterError("; ".join([f"{name}: {why}" for name, why in missing.items()] + notes))
    return Answer(GroupedAnswers(groups, missing, tuple(notes)), _shown(next(iter(groups.values())).shown))


def _answer(group: Group, ask: Ask, notes: list[str]) -> Answer[Any]:
    """The answer of all runs of a group; without those that have only begun, where these alone stand in its way."""
    try:
        return ask(group, group.folders)
    except LamplighterError:
        young = {folder: why for folder in group.unfinished if (why := _refused(group, folder, ask))}
        rest = [folder for folder in group.folders if folder not in young]
        if not young or not rest:
            raise
        answer = ask(group, rest)
    notes += [f"{folder.name}: left out, as it has not got far enough: {why}" for folder, why in young.items()]
    return answer


def _refused(group: Group, folder: Path, ask: Ask) -> str:
    """Why a run cannot be asked by itself; nothing: it can."""
    try:
        ask(group, [folder])
    except LamplighterError as problem:
        return str(problem)
    return ""


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
            found = usable(load_campaign(name))
            folders += found.folders
            notes += found.notes
        else:
            folders.append(name)
    return folders, tuple(notes)
