"""Which runs of a campaign can be used now, and what is said of the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lamplighter.campaign.campaign_file import Campaign
from lamplighter.campaign.state import STALE, RunState, left_over, states_of
from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import THERMO

_MOST_NAMES = 8


@dataclass(frozen=True)
class Group:
    """Runs of one point.

    Attributes:
        name: `model=pbe, temperature=300K`.
        point: Label on each axis that tells groups apart.
        folders: Of the runs.
        unfinished: Those of the runs that go on, or are to be gone on with.
    """

    name: str
    point: dict[str, str]
    folders: list[Path]
    unfinished: list[Path]


@dataclass(frozen=True)
class Usable:
    """Runs of a campaign that have written something.

    Attributes:
        campaign: The campaign.
        states: Of those runs, in order.
        notes: What is missing, still goes on, or is left out.
    """

    campaign: Campaign
    states: tuple[RunState, ...]
    notes: tuple[str, ...]

    @property
    def folders(self) -> list[Path]:
        """Their folders."""
        return [each.run.folder for each in self.states]

    def groups(self, joined: str = "") -> list[Group]:
        """The runs by their point on the axes that are no repeats, in order.

        Args:
            joined: A condition, such as `pressure`, at all values of which the runs of a group are.
        """
        left_out = {*self.campaign.repeats, *(self.campaign.axes_of(joined) if joined else ())}
        found: dict[str, Group] = {}
        for each in self.states:
            point = {axis: label for axis, label in each.run.point.items() if axis not in left_out}
            name = ", ".join(f"{axis}={label}" for axis, label in point.items()) or "all"
            group = found.setdefault(name, Group(name, point, [], []))
            group.folders.append(each.run.folder)
            if each.share < 1.0:
                group.unfinished.append(each.run.folder)
        return list(found.values())


def usable(campaign: Campaign) -> Usable:
    """The runs of a campaign that can be used.

    Raises:
        RunFolderError: none of its runs can be.
    """
    states = states_of(campaign)
    fresh = {each.run.name: (each.run.folder / THERMO).exists() for each in states if each.state != STALE}
    there = [each for each in states if fresh.get(each.run.name)]
    notes = []
    if missing := [name for name, has_written in fresh.items() if not has_written]:
        notes.append(f"{campaign.folder.name}: nothing yet of {_some(missing)}")
    if partial := [f"{each.run.name} ({100 * each.share:.0f} %)" for each in there if 0.0 < each.share < 1.0]:
        notes.append(f"{campaign.folder.name}: not finished: {_some(partial)}")
    if stale := [each.run.name for each in states if each.state == STALE]:
        why = "left out, as the campaign file, or a file that it names, has changed"
        notes.append(f"{campaign.folder.name}: {why}: {_some(stale)}")
    if unknown := left_over(campaign):
        names = _some([folder.name for folder in unknown])
        notes.append(f"{campaign.folder.name}: left out, as they are not in the campaign file: {names}")
    if not there:
        raise RunFolderError(f"campaign {campaign.path}: no run can be used yet; {'; '.join(notes)}")
    return Usable(campaign, tuple(there), tuple(notes))


def _some(names: list[str]) -> str:
    """Names, of which `campaign status` has all where they are many."""
    return ", ".join(names) if len(names) <= _MOST_NAMES else f"{', '.join(names[:3])}, … ({len(names)} runs)"
