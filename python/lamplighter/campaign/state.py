"""How far each run of a campaign is, as its folder says: nothing else is asked, so that nothing can disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lamplighter.campaign.campaign_file import LOGS, RUN_FILES, Campaign, CampaignRun
from lamplighter.driver.interruption import MORE_TIME
from lamplighter.driver.resume import changed_file, difference_from
from lamplighter.driver.run_lock import living_holder
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.names import MARKS, RUN_FILE, STATUS, THERMO
from lamplighter.run_folder.status import RunStatus
from lamplighter.run_folder.thermo_table import last_place

WAITING, RUNNING, BROKEN_OFF, COMPLETED, STOPPED, FAILED, STALE = (
    "waiting", "running", "broken off", "completed", "stopped", "failed", "stale",
)  # fmt: skip

STATES = (RUNNING, WAITING, BROKEN_OFF, COMPLETED, STOPPED, FAILED, STALE)
"""`broken off` goes on by itself; `failed` does not; `stale` is the run of an earlier campaign file, or model file."""

STARTABLE = (WAITING, BROKEN_OFF)
"""What is started, or gone on with, without being asked for."""


@dataclass(frozen=True)
class RunState:
    """One run, now.

    Attributes:
        run: The run.
        state: One of `STATES`.
        share: Of its steps of dynamics, done, from 0 to 1.
        step: Of dynamics, that was written last.
        ns_per_day: Simulated, over the wall time of the stages; None: not known.
        words: The criterion of the guard, the cause of a failure, what broke the run off (empty: it was killed), or
            the key or file that makes it stale.
        is_new: The run came into the campaign file after the campaign was begun.
    """

    run: CampaignRun
    state: str
    share: float = 0.0
    step: int = 0
    ns_per_day: float | None = None
    words: str = ""
    is_new: bool = False

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.run.name,
            "axes": self.run.point,
            "state": self.state,
            "step": self.step,
            "share": round(self.share, 4),
            "ns_per_day": None if self.ns_per_day is None else round(self.ns_per_day, 4),
            "words": self.words,
            "new": self.is_new,
            "folder": str(self.run.folder),
        }


def states_of(campaign: Campaign) -> list[RunState]:
    """The state of each run, in order."""
    begun = {path.stem for path in (campaign.folder / RUN_FILES).glob("*.yaml")}
    states = [state_of(run) for run in campaign.runs]
    return [
        replace(each, is_new=True) if begun and each.state == WAITING and each.run.name not in begun else each
        for each in states
    ]


def state_of(run: CampaignRun) -> RunState:
    """The state of a run from its folder."""
    folder = run.folder
    alive = living_holder(folder) is not None
    if not any((folder / mark).exists() for mark in MARKS):
        cause = "" if alive else refusal(log_of(run))
        state = RUNNING if alive else FAILED if cause and MORE_TIME not in cause else WAITING
        return RunState(run, state, words=cause)
    if (folder / RUN_FILE).exists():
        try:
            difference = difference_from(folder, run.run_file) or changed_file(folder, run.run_file)
        except LamplighterError as problem:
            return RunState(run, FAILED, words=str(problem))
        if difference:
            return RunState(run, STALE, words=difference)
    try:
        status = RunStatus.read(folder)
    except LamplighterError:
        return RunState(run, RUNNING if alive else BROKEN_OFF)
    share, step, speed = _progress(folder, status, alive)
    if status.status == "completed":
        return RunState(run, COMPLETED, 1.0, step, speed)
    if status.status == "stopped":
        guard = status.guard
        words = "" if guard is None else f"{guard.criterion} at {guard.time_ps:g} ps" if guard.time_ps else ""
        return RunState(run, STOPPED, share, step, speed, words)
    if alive:
        return RunState(run, RUNNING, share, step, speed)
    error = (status.error or "").partition("\n")[0]
    if status.status == "failed" and "--resume" not in error:
        return RunState(run, BROKEN_OFF if MORE_TIME in error else FAILED, share, step, speed, error)
    return RunState(run, BROKEN_OFF, share, step, speed, error)


def left_over(campaign: Campaign) -> list[Path]:
    """Run folders of which the campaign file says nothing (any more)."""
    known = {run.name for run in campaign.runs}
    if not campaign.folder.is_dir():
        return []
    return sorted(
        folder
        for folder in campaign.folder.iterdir()
        if folder.is_dir() and folder.name not in known and any((folder / mark).exists() for mark in MARKS)
    )


def log_of(run: CampaignRun) -> Path:
    """What a run printed."""
    return run.folder.parent / LOGS / f"{run.name}.log"


def refusal(log: Path) -> str:
    """Why the last start of a run ended before it had a folder; empty: it did not say."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.removeprefix("Error: ") for line in _since_last_start(lines) if line.startswith("Error: ")]
    return said[0] if said else ""


def _since_last_start(lines: list[str]) -> Iterable[str]:
    starts = [place for place, line in enumerate(lines) if line.startswith(STARTED)]
    return lines[starts[-1] :] if starts else lines


STARTED = "==== started "
"""Begins the line in a log that says that the run was started."""


def _progress(folder: Path, status: RunStatus, alive: bool) -> tuple[float, int, float | None]:
    total = sum(stage.steps or 0 for stage in status.stages if not stage.is_minimisation)
    step, time_ps = last_place(folder / THERMO)
    wall = sum(stage.wall_s or 0.0 for stage in status.stages if not stage.is_minimisation)
    if alive or wall == 0.0:
        try:
            wall += max(0.0, (folder / THERMO).stat().st_mtime - (folder / STATUS).stat().st_mtime)
        except OSError:
            wall = 0.0
    speed = time_ps * 1e-3 / wall * 86400.0 if wall > 0.0 and time_ps > 0.0 else None
    return (min(1.0, step / total) if total else 0.0), step, speed
