"""The folder of a run: whether it may be used, what is put into it, and how far the run in it has come."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lamplighter.config.run_file import RunFile
from lamplighter.errors import RunFolderError

RUN_FILE = "run.yaml"
SCRIPT = "in.lammps"
INPUTS = "inputs"
STRUCTURE = "structure.data"
PROVENANCE = "provenance.json"
LOG = "log.lammps"
THERMO = "thermo.csv"
TRAJECTORY = "trajectory.lammpstrj.gz"
CENTRES = "centres_of_mass.lammpstrj.gz"
FINAL = "final.data"
STATUS = "status.json"
SCAN_EVALUATED = "volume_scan_evaluated.jsonl"
MARKS = (RUN_FILE, SCRIPT, STATUS, THERMO, TRAJECTORY, CENTRES, PROVENANCE)
"""A folder that holds one of these holds a run."""


@dataclass
class StageStatus:
    """One stage in `status.json`; `wall_s` is its wall time so far (s)."""

    index: int
    type: str
    name: str
    steps: int
    timestep_fs: float
    wall_s: float = 0.0


@dataclass
class GuardStatus:
    """What the guard of a run has to say in `status.json`.

    Attributes:
        criteria: What it watches, in words of `fix guard`.
        criterion: What was violated first and ended the run; None: nothing.
        step, time_ps: When; None: not yet known. Without a violation, the end of the run.
    """

    criteria: list[str]
    criterion: str | None = None
    step: int | None = None
    time_ps: float | None = None


@dataclass
class ScanStatus:
    """The volume scan of a run in `status.json`.

    Attributes:
        status: "waiting" for the stages, "running", "completed", "failed", or "skipped" because they did not hold.
        note: Why it was skipped.
        wall_s: Wall time, s.
    """

    status: str = "waiting"
    note: str = ""
    wall_s: float = 0.0


@dataclass
class RunStatus:
    """How far a run has come: the content of `status.json`."""

    status: str = "running"
    error: str | None = None
    failed_stage: int | None = None
    natoms: int = 0
    ranks: int = 1
    threads_per_rank: int = 1
    stages: list[StageStatus] = field(default_factory=list)
    guard: GuardStatus | None = None
    volume_scan: ScanStatus | None = None

    def write(self, folder: Path) -> None:
        """Put it into the folder, in one piece."""
        write_json(folder / STATUS, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> RunStatus:
        """Read it from the folder.

        Raises:
            RunFolderError: there is none, or it cannot be understood.
        """
        try:
            given = json.loads((folder / STATUS).read_text(encoding="utf-8"))
            given["stages"] = [StageStatus(**each) for each in given["stages"]]
            if given.get("guard") is not None:
                given["guard"] = GuardStatus(**given["guard"])
            if given.get("volume_scan") is not None:
                given["volume_scan"] = ScanStatus(**given["volume_scan"])
            return cls(**given)
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise RunFolderError(f"{folder / STATUS} cannot be read: {problem}") from problem


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
        status.stages[stage].wall_s += max(0.0, log.stat().st_mtime - (folder / STATUS).stat().st_mtime)
    return status


def own_folder(run_file: Path, folder: Path) -> Path:
    """The run folder that a run file means: the one that it lies in if it is that one's `run.yaml`, else `folder`.

    Run folders of earlier versions have an absolute `output.folder`, which names the original also in a copy.
    """
    beside = run_file.resolve().parent
    if run_file.name == RUN_FILE and (beside / STATUS).exists() and (beside / STRUCTURE).exists():
        return beside
    return folder


def require_unused(folder: Path) -> None:
    """Refuse a folder that holds a run; one that failed before its first step may be written over.

    Raises:
        RunFolderError: it does, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"output.folder: {folder} is a file; name another folder")
    held = [mark for mark in MARKS if (folder / mark).exists()]
    if held and not _ended_before_its_first_step(folder):
        raise RunFolderError(
            f"output.folder: {folder} already holds a run ({', '.join(held)}); name another folder (output.folder, or "
            "--output), or go on with that run (--resume)"
        )


def _ended_before_its_first_step(folder: Path) -> bool:
    if not (folder / STATUS).exists() or RunStatus.read(folder).status != "failed":
        return False
    if (folder / SCAN_EVALUATED).exists():
        return False
    table = folder / THERMO
    return not table.exists() or len(table.read_text(encoding="utf-8").splitlines()) < 2


def create(folder: Path, run: RunFile, script: str | None, inputs: Iterable[Path]) -> None:
    """Make the folder with its run file, script (None: there are no stages) and the scripts that it includes.

    Raises:
        RunFolderError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / RUN_FILE, run_file_text(run))
        if script is None:
            return
        (folder / INPUTS).mkdir(exist_ok=True)
        (folder / SCRIPT).write_text(script, encoding="utf-8")
        for path in inputs:
            shutil.copyfile(path, folder / INPUTS / path.name)
    except OSError as problem:
        raise unwritable(folder, problem) from problem


def run_file_text(run: RunFile) -> str:
    """A run file as YAML, with every default. The run folder is where it lies: it may be moved and copied."""
    content = run.model_dump(mode="json")
    content["output"]["folder"] = "."
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of it.

    Raises:
        RunFolderError: it cannot be written.
    """
    try:
        _write_whole(path, json.dumps(content, indent=2) + "\n")
    except OSError as problem:
        raise unwritable(path.parent, problem) from problem


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")  # several failing ranks may write at once
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def unwritable(folder: Path, problem: OSError) -> RunFolderError:
    """The error for a folder that cannot be written."""
    return RunFolderError(
        f"the run folder {folder} cannot be written ({problem.strerror or problem}): choose another output.folder, or "
        "make room and check its permissions"
    )
