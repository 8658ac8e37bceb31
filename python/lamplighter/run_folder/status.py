"""How far a run has come: `status.json`, written whole by the run, read as far as it goes by everybody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import LOG, STATUS
from lamplighter.run_folder.writing import write_json


@dataclass
class StageStatus:
    """One stage of a run.

    Attributes:
        index: Zero-based place in the run file's list.
        type: "minimise", "nve", "nvt", "npt", …, lower case; "" where it is not recorded.
        name: The stage's name.
        steps: Number of steps; None where it is not recorded.
        timestep_fs: Timestep, fs; 0 for a minimisation, None where it is not recorded.
        wall_s: Wall time so far, s; None where it is not recorded.
    """

    index: int
    type: str
    name: str
    steps: int | None = None
    timestep_fs: float | None = None
    wall_s: float | None = 0.0

    @property
    def is_minimisation(self) -> bool:
        """Whether the stage has no time and no temperature."""
        return self.type.startswith("minimi")

    @property
    def length_ps(self) -> float | None:
        """Simulated time of all its steps, ps; 0 for a minimisation, None where it is not recorded."""
        if self.is_minimisation:
            return 0.0
        return self.steps * self.timestep_fs * 1e-3 if self.steps is not None and self.timestep_fs else None

    @classmethod
    def of(cls, entry: Mapping[str, Any], place: int) -> StageStatus:
        """From an entry of `status.json`, the one at `place` in its list."""
        kind = (_text(entry.get("type")) or "").lower()
        index = _integer(entry.get("index"))
        index = place if index is None else index
        return cls(
            index=index,
            type=kind,
            name=_text(entry.get("name")) or kind or f"stage {index}",
            steps=_integer(entry.get("steps")),
            timestep_fs=_number(entry.get("timestep_fs")),
            wall_s=_number(entry.get("wall_s")),
        )


@dataclass
class GuardStatus:
    """What the guard of a run has to say.

    Attributes:
        criteria: What it watches, in words of `fix guard`.
        criterion: What was violated first and ended the run; None: nothing.
        step, time_ps: When; None: not yet known. Without a violation, the end of the run.
    """

    criteria: list[str]
    criterion: str | None = None
    step: int | None = None
    time_ps: float | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> GuardStatus:
        """From what `status.json` says of it."""
        criteria = entry.get("criteria")
        return cls(
            criteria=[str(each) for each in criteria] if isinstance(criteria, list) else [],
            criterion=_text(entry.get("criterion")),
            step=_integer(entry.get("step")),
            time_ps=_number(entry.get("time_ps")),
        )


@dataclass
class ScanStatus:
    """The volume scan of a run.

    Attributes:
        status: "waiting" for the stages, "running", "completed", "failed", or "skipped" because they did not hold.
        note: Why it was skipped.
        wall_s: Wall time, s.
    """

    status: str = "waiting"
    note: str = ""
    wall_s: float = 0.0

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> ScanStatus:
        """From what `status.json` says of it."""
        return cls(
            status=_text(entry.get("status")) or "waiting",
            note=_text(entry.get("note")) or "",
            wall_s=_number(entry.get("wall_s")) or 0.0,
        )


@dataclass
class RunStatus:
    """The content of `status.json`.

    Attributes:
        status: "running", "completed", "stopped" (by its guard), "failed", or "unknown" where it is not recorded.
        error: Message of a failed run.
        failed_stage: Zero-based index of the stage in which it failed.
        natoms: Number of atoms; 0: not yet known; None where it is not recorded.
        ranks, threads_per_rank: None where they are not recorded.
        stages: In order.
        guard, volume_scan: None: there is none.
    """

    status: str = "running"
    error: str | None = None
    failed_stage: int | None = None
    natoms: int | None = 0
    ranks: int | None = 1
    threads_per_rank: int | None = 1
    stages: list[StageStatus] = field(default_factory=list)
    guard: GuardStatus | None = None
    volume_scan: ScanStatus | None = None

    def write(self, folder: Path) -> None:
        """Put it into the folder, in one piece.

        Raises:
            RunFolderError: it cannot be written.
        """
        write_json(folder / STATUS, asdict(self))

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> RunStatus:
        """What `status.json` says, in whichever version: unknown keys are ignored, what is absent or unfit is None."""
        guard, scan, stages = (content.get(key) for key in ("guard", "volume_scan", "stages"))
        return cls(
            status=_text(content.get("status")) or "unknown",
            error=_text(content.get("error")),
            failed_stage=_integer(content.get("failed_stage")),
            natoms=_integer(content.get("natoms")),
            ranks=_integer(content.get("ranks")),
            threads_per_rank=_integer(content.get("threads_per_rank")),
            stages=[
                StageStatus.of(entry, place)
                for place, entry in enumerate(stages if isinstance(stages, list) else [])
                if isinstance(entry, dict)
            ],
            guard=GuardStatus.of(guard) if isinstance(guard, dict) else None,
            volume_scan=ScanStatus.of(scan) if isinstance(scan, dict) else None,
        )

    @classmethod
    def read(cls, folder: Path) -> RunStatus:
        """Read it from the folder.

        Raises:
            RunFolderError: there is none, or it is no JSON object.
        """
        try:
            return cls.of(read_json_object(folder / STATUS))
        except RunFolderError as problem:
            raise RunFolderError(f"run folder {folder}: {problem}") from problem


def last_status(folder: Path, stage: int) -> RunStatus:
    """How far an interrupted run had come. Where it was killed, the time it had spent in `stage` is that between
    the last change of `status.json`, when the stage began, and that of LAMMPS' log.
    """
    try:
        status = RunStatus.read(folder)
    except RunFolderError:
        return RunStatus()  # it was lost; so is the time
    log = folder / LOG
    if status.status == "running" and stage < len(status.stages) and log.exists():
        spent = max(0.0, log.stat().st_mtime - (folder / STATUS).stat().st_mtime)
        status.stages[stage].wall_s = (status.stages[stage].wall_s or 0.0) + spent
    return status


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file of a run folder that holds an object.

    Raises:
        RunFolderError: it is missing, cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"{path.name} is missing") from None
    except (OSError, ValueError) as problem:
        raise RunFolderError(f"{path.name} cannot be read: {problem}") from problem
    if not isinstance(content, dict):
        raise RunFolderError(f"{path.name} is not a JSON object")
    return content


def _text(given: Any) -> str | None:
    return None if given is None else str(given)


def _integer(given: Any) -> int | None:
    return int(given) if isinstance(given, int | float) and given == given // 1 else None


def _number(given: Any) -> float | None:
    return float(given) if isinstance(given, int | float) else None
