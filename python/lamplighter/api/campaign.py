"""Campaigns from Python: how far each run is, as a table with the axes, and the runs themselves."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.api.answer import Answer
from lamplighter.api.page import leave_page
from lamplighter.api.run import Run, StrPath
from lamplighter.campaign import table
from lamplighter.campaign.campaign_file import Campaign as CampaignFile
from lamplighter.campaign.campaign_file import CampaignRun, label_of, load_campaign
from lamplighter.campaign.finished import usable
from lamplighter.campaign.state import RunState, left_over, states_of
from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.run_folder.names import PAGE


@dataclass(frozen=True)
class CampaignStatus:
    """How far a campaign was when it was asked.

    Attributes:
        campaign: Its file.
        runs: Each with `state`, `step`, `share` (from 0 to 1), `ns_per_day` and `words`; `run.name` and `run.point`.
        not_in_campaign: Run folders of which the campaign file says nothing (any more).
    """

    campaign: CampaignFile
    runs: list[RunState]
    not_in_campaign: list[Path]


class Campaign:
    """A campaign: its runs with their axes, how far each is, and the runs themselves.

    The campaign file is read when it is opened, the run folders anew whenever something is asked. `ll.density` and its
    siblings take an open campaign, and answer for each point of its axes.

    Args:
        file: The campaign file, the folder that holds it as `campaign.yaml`, or the folder of its runs.

    Attributes:
        path: The campaign file.
        folder: That of its runs.
        axes: Labels of the values of each axis that runs have, by its name.

    Raises:
        ConfigError: the file does not exist or is not valid, or one of its runs is not.

    Example:
        ```python
        campaign = ll.open_campaign("cooling.yaml")
        print(campaign)
        for run in campaign.runs(temperature="90 K"):
            run.thermo["density_g_cm3"].mean()
        for point, density in ll.density(campaign, discard=0).groups.items():
            print(point, density.mean)
        ```
    """

    def __init__(self, file: StrPath) -> None:
        if not isinstance(file, str | os.PathLike) or isinstance(os.fspath(file), bytes):
            raise ConfigError(f"a campaign is opened by the path of its file, got {file!r} ({type(file).__name__})")
        self.file = load_campaign(Path(file).expanduser())
        self.path, self.folder = self.file.path, self.file.folder
        self.axes = {axis: list(dict.fromkeys(run.point[axis] for run in self.file.runs)) for axis in self.file.axes}

    def status(self) -> Answer[CampaignStatus]:
        """How far each run is, as `lamplighter campaign status` prints it; `to_csv` and `to_dict` keep it."""
        return Answer(CampaignStatus(self.file, states_of(self.file), left_over(self.file)), _SHOWN)

    @property
    def table(self) -> dict[str, list[object]]:
        """The runs by columns: `run`, the axes, `state`, `step`, `share`, `ns_per_day`, `words`, `folder`.

        `pandas.DataFrame(campaign.table)` works. An axis with the name of another column has `axis_` before it.
        """
        return table.columns(states_of(self.file))

    def runs(self, **axes: Any) -> list[Run]:
        """The runs that have written something, of all that are neither stale nor waiting.

        Args:
            axes: Labels or values that the runs have on axes, one or a list: `model="pbe", seed=[1, 2]`.

        Raises:
            LamplighterError: there is no such axis, or no such value of it.
        """
        wanted = {axis: self._labels(axis, values) for axis, values in axes.items()}
        folders = {state.run.folder for state in usable(self.file).states}
        return [
            Run(each.folder)
            for each in self.file.runs
            if each.folder in folders and all(each.point[axis] in labels for axis, labels in wanted.items())
        ]

    def open_run(self, name: str) -> Run:
        """A run by its name, such as `pbe_300K_seed1`.

        Raises:
            LamplighterError: the campaign has no run of that name, or nothing of it is there yet.
        """
        found: CampaignRun | None = next((each for each in self.file.runs if each.name == name), None)
        if found is None:
            names = ", ".join(each.name for each in self.file.runs)
            raise LamplighterError(f"campaign {self.path} has no run {name!r}; it has {names}")
        return Run(found.folder)

    def report(self, output: StrPath | None = None, *, title: str | None = None) -> Path:
        """Write one page about the runs, as `lamplighter report` does. Under mpirun the first rank writes; collective.

        Args:
            output: The page; None: `report.html` in the folder of the runs.
            title: Heading; None: the name of the campaign.

        Returns:
            The page.

        Raises:
            LamplighterError: no run has written anything yet, or the page cannot be written.
        """
        path = self.folder / PAGE if output is None else Path(output).expanduser()
        return leave_page(usable(self.file).folders, path, title or self.folder.name)

    def _labels(self, axis: str, values: Any) -> set[str]:
        known = self.axes.get(axis)
        if known is None:
            raise LamplighterError(f"campaign {self.path} has no axis {axis!r}; it has {', '.join(self.axes)}")
        several: Iterable[Any] = values if isinstance(values, list | tuple | set) else [values]
        labels = {str(each) if str(each) in known else label_of(each) for each in several}
        if wrong := sorted(labels - set(known)):
            raise LamplighterError(f"axis {axis} has no value {', '.join(wrong)}; it has {', '.join(known)}")
        return labels

    def __str__(self) -> str:
        return str(self.status())

    def __repr__(self) -> str:
        return f"<Campaign {self.folder}: {table.counted(states_of(self.file))}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def open_campaign(file: StrPath) -> Campaign:
    """Open a campaign: not begun yet, under way, or done. Nothing is started.

    Args:
        file: The campaign file, the folder that holds it as `campaign.yaml`, or the folder of its runs.

    Raises:
        ConfigError: the file does not exist or is not valid, or one of its runs is not.
    """
    return Campaign(file)


def _table(status: CampaignStatus) -> Table:
    columns = table.columns(status.runs)
    return Table(list(columns), list(zip(*columns.values(), strict=True)))


_SHOWN: Shown[CampaignStatus] = Shown(
    lambda status: table.as_text(status.campaign, status.runs, status.not_in_campaign),
    lambda status: table.as_dict(status.campaign, status.runs, status.not_in_campaign),
    tables={"runs": _table},
)
