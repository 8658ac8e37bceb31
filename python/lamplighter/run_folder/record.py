"""The files of a run folder that a report is made from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lamplighter.errors import NoDynamics, RunFolderError
from lamplighter.run_folder.events import Event, read_events
from lamplighter.run_folder.thermo_table import ThermoTable, read_thermo

RUN_FILE = "run.yaml"


@dataclass(frozen=True)
class StageRecord:
    """One stage as `status.json` has it.

    Attributes:
        index: Zero-based place in the run file's list.
        type: "minimise", "nve", "nvt", "npt", …, lower case; "" where it is not recorded.
        name: The stage's name.
        steps: Number of steps; None where it is not recorded.
        timestep_fs: Timestep, fs; None for minimisation or where it is not recorded.
        wall_s: Wall time spent, s; None where the stage has not ended.
    """

    index: int
    type: str
    name: str
    steps: int | None
    timestep_fs: float | None
    wall_s: float | None

    @property
    def is_minimisation(self) -> bool:
        """Whether the stage has no time and no temperature."""
        return self.type.startswith("minimi")


@dataclass(frozen=True)
class RunRecord:
    """All that a report is made from.

    Attributes:
        folder: The run folder.
        status: "completed", "stopped" (by its guard), "failed", "running", or "unknown".
        error: Message of a failed run.
        failed_stage: Zero-based index of the stage in which it failed.
        natoms, ranks, threads_per_rank: None where they are not recorded.
        stages: In order; where `status.json` is missing, those that the thermo table has.
        thermo: The thermo table; without rows where it is missing.
        provenance: Content of `provenance.json`; empty where it is missing.
        notes: What was missing or could not be read.
        guard: What the guard has to say, as in `status.json`; None: there was none.
        committee: The committee's table; None: there was none.
        events: What the guard found, as in `events.jsonl`.
        volume_scan: How far the volume scan after the stages has come, as in `status.json`; None: there is none.
    """

    folder: Path
    status: str
    error: str | None
    failed_stage: int | None
    natoms: int | None
    ranks: int | None
    threads_per_rank: int | None
    stages: list[StageRecord]
    thermo: ThermoTable
    provenance: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    guard: dict[str, Any] | None = None
    committee: ThermoTable | None = None
    events: list[Event] = field(default_factory=list)
    volume_scan: dict[str, Any] | None = None

    @property
    def is_scan_alone(self) -> bool:
        """Whether the run was a volume scan without any stages before it."""
        return self.volume_scan is not None and not self.stages

    @property
    def wall_s(self) -> float | None:
        """Of all stages and the volume scan, s; None: not recorded."""
        walls = [stage.wall_s for stage in self.stages if stage.wall_s is not None]
        if self.volume_scan is not None:
            walls.append(self.volume_scan["wall_s"])
        return sum(walls) if walls else None

    def require_dynamics(self) -> None:
        """Refuse a volume scan without stages where dynamics are asked for.

        Raises:
            NoDynamics: it is one.
        """
        if self.is_scan_alone:
            raise NoDynamics(
                f"{self.folder} is a volume scan without any stages, so it has no dynamics: `lamplighter scan "
                f"{self.folder}` shows it"
            )

    def time_of_step(self, step: int) -> float | None:
        """Simulated time (ps) at a step, counted through all stages of dynamics; None where steps are not recorded."""
        time, begin = 0.0, 0
        for stage in self.stages:
            if stage.is_minimisation:
                continue
            if stage.steps is None or stage.timestep_fs is None:
                return None
            done = min(step, begin + stage.steps) - begin
            time += done * stage.timestep_fs * 1e-3
            begin += stage.steps
            if step <= begin:
                break
        return time if begin >= step else None


def read_run(folder: Path) -> RunRecord:
    """Read a run folder as far as it goes; what is missing or unreadable is said in `notes`.

    Raises:
        RunFolderError: `folder` is no folder, or holds neither a thermo table nor a status.
    """
    if not folder.is_dir():
        raise RunFolderError(
            f"{folder} is a file, no run folder" if folder.exists() else f"run folder {folder} does not exist"
        )
    if not (folder / "thermo.csv").exists() and not (folder / "status.json").exists():
        raise RunFolderError(f"{folder} holds no run: it has neither thermo.csv nor status.json")
    notes: list[str] = []
    status = _read_json(folder / "status.json", notes)
    provenance = _read_json(folder / "provenance.json", notes)
    scan = status.get("volume_scan")
    try:
        thermo = read_thermo(folder / "thermo.csv")
    except RunFolderError as problem:
        if not scan or status.get("stages"):
            notes.append(str(problem))
        thermo = ThermoTable({"stage": np.empty(0), "step": np.empty(0)}, 0)
    if thermo.n_skipped:
        notes.append(f"lines of thermo.csv left out because they are no rows of numbers: {thermo.n_skipped}")
    try:
        events = read_events(folder)
    except RunFolderError as problem:
        notes.append(str(problem))
        events = []
    stages = [_stage_record(entry, place) for place, entry in enumerate(status.get("stages") or [])]
    known = {stage.index for stage in stages}
    committee = None
    if (folder / "committee.csv").exists():
        try:
            committee = read_thermo(folder / "committee.csv")
        except RunFolderError as problem:
            notes.append(str(problem))
    stages += [
        StageRecord(index, "", f"stage {index}", None, None, None)
        for index in thermo.stage_indices
        if index not in known
    ]
    return RunRecord(
        folder=folder,
        status=str(status.get("status", "unknown")),
        error=status.get("error"),
        failed_stage=status.get("failed_stage"),
        natoms=status.get("natoms"),
        ranks=status.get("ranks"),
        threads_per_rank=status.get("threads_per_rank"),
        stages=sorted(stages, key=lambda stage: stage.index),
        thermo=thermo,
        provenance=provenance,
        notes=notes,
        guard=status.get("guard"),
        committee=committee,
        events=events,
        volume_scan=scan,
    )


def read_run_file(folder: Path) -> dict[str, Any]:
    """`run.yaml` of a run folder as it stands there, with every default; empty where it is missing or cannot be read.

    It is not checked again, so that runs of other versions, or whose models are elsewhere by now, can be reported.
    """
    try:
        content = yaml.safe_load((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _stage_record(entry: dict[str, Any], place: int) -> StageRecord:
    stage_type = str(entry.get("type") or "").lower()
    index = int(entry.get("index", place))
    return StageRecord(
        index=index,
        type=stage_type,
        name=str(entry.get("name") or stage_type or f"stage {index}"),
        steps=entry.get("steps"),
        timestep_fs=entry.get("timestep_fs") or None,
        wall_s=entry.get("wall_s"),
    )


def _read_json(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        notes.append(f"{path.name} is missing")
        return {}
    except (OSError, ValueError) as problem:
        notes.append(f"{path.name} cannot be read: {problem}")
        return {}
    if not isinstance(content, dict):
        notes.append(f"{path.name} is not a JSON object")
        return {}
    return content
