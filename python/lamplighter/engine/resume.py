"""Going on with an interrupted run: from which restart file, and what of the tables and the trajectory to keep."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import yaml

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise
from lamplighter.engine import provenance, run_folder, trajectory
from lamplighter.engine.names import COMMITTEE, EVENTS
from lamplighter.engine.run_folder import RunStatus
from lamplighter.engine.script import Restart, steps_of_stages
from lamplighter.errors import RunFolderError

# A restart file begins and ends with this text; its step follows the units (LAMMPS write_restart.cpp, `header`).
_MAGIC = b"LammpS RestartT\0"
_BEFORE_STEP = struct.pack("=i", 6) + b"metal\0" + struct.pack("=i", 5)
_HEADER_BYTES = 4096


def require_resumable(folder: Path, run: RunFile) -> RunStatus:
    """How far the interrupted run in a folder had come.

    Raises:
        RunFolderError: the folder holds no run, a finished one, or one of another run file.
    """
    if not (folder / run_folder.RUN_FILE).is_file():
        raise RunFolderError(f"--resume: {folder} holds no run; start it without --resume")
    _refuse_other_run_file(folder, run)
    status = RunStatus.read(folder)
    if status.status == "completed":
        raise RunFolderError(f"--resume: the run in {folder} is completed; there is nothing to go on with")
    if status.status == "stopped":
        raise RunFolderError(f"--resume: the run in {folder} was ended by its guard ({folder / EVENTS} says why)")
    return status


def require_same_models(folder: Path, run: RunFile) -> None:
    """Refuse to go on with other content in the model files than `provenance.json` says; nothing where it is missing.

    Raises:
        RunFolderError: a model file has changed since the run was begun.
        ModelError: a file that belongs to a model is missing.
    """
    try:
        held = json.loads((folder / run_folder.PROVENANCE).read_text(encoding="utf-8"))["models"]
        before = {model["path"]: model["sha256"] for model in held}
    except (OSError, ValueError, TypeError, KeyError):
        return  # the run ended before it was written
    for model in provenance.models(run):
        if model["sha256"] != before.get(model["path"], model["sha256"]):
            raise RunFolderError(
                f"--resume: {model['path']} has changed since the run in {folder} was begun ({run_folder.PROVENANCE} "
                "has its SHA-256): put the old file back, or start a new run in another folder"
            )


def find_restart(folder: Path, run: RunFile) -> Restart:
    """The newest whole restart file of a run, and where in the run it lies.

    Raises:
        RunFolderError: there is none.
    """
    files = sorted(folder.glob("restart.*.bin"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for file in files:
        step = step_of_restart(file)
        if step is not None:
            return _placed(file.name, step, run)
    raise RunFolderError(
        f"--resume: {folder} holds no whole restart file (the run ended before its first one); start it anew in "
        "another folder, with a smaller output.restart"
    )


def step_of_restart(path: Path) -> int | None:
    """The step of a restart file; None if the file is not whole."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        if not head.startswith(_MAGIC):
            return None
        file.seek(-len(_MAGIC), 2)
        if file.read() != _MAGIC:
            return None
    place = head.find(_BEFORE_STEP)
    if place < 0:
        return None
    return int(struct.unpack_from("=q", head, place + len(_BEFORE_STEP))[0])


def cut_outputs(folder: Path, restart: Restart) -> None:
    """Drop what the run wrote after the restart file: lines of its tables and events, frames of its trajectory.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    try:
        if (folder / run_folder.THERMO).exists():
            _cut_table(folder / run_folder.THERMO, restart)
        if (folder / COMMITTEE).exists():
            _cut_table(folder / COMMITTEE, restart)
        if (folder / EVENTS).exists():
            _cut_events(folder / EVENTS, restart)
        for name in (run_folder.TRAJECTORY, run_folder.CENTRES):
            if (folder / name).exists():
                trajectory.keep_frames_until(folder / name, restart.step)
    except OSError as problem:
        raise run_folder.unwritable(folder, problem) from problem


def _cut_table(path: Path, restart: Restart) -> None:
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    kept = [header]
    for line in lines:
        values = line.split(",")
        if len(values) == header.count(",") + 1 and _belongs(int(values[0]), int(values[1]), restart):
            kept.append(line)
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _cut_events(path: Path, restart: Restart) -> None:
    """The guard checks the restart's own step again. A line that was broken off goes, too."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if json.loads(line)["step"] < restart.step:
                kept.append(line)
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _belongs(stage: int, step: int, restart: Restart) -> bool:
    """Whether a line of the table came before the restart; the line at its very step is written anew."""
    if stage != restart.stage:
        return stage < restart.stage
    return restart.stage_is_over or step < restart.step


def _placed(name: str, step: int, run: RunFile) -> Restart:
    placed = steps_of_stages(run.stages)
    if name.startswith("restart.stage"):
        return Restart(name, int(name.removeprefix("restart.stage").removesuffix(".bin")), step, True)
    for index, (stage, steps) in enumerate(zip(run.stages, placed, strict=True)):
        if not isinstance(stage, Minimise) and steps.begin < step <= steps.end:
            return Restart(name, index, step, False)
    raise RunFolderError(f"--resume: {name} is of step {step}, which lies in no stage of the run file")


def _refuse_other_run_file(folder: Path, run: RunFile) -> None:
    path = folder / run_folder.RUN_FILE
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as problem:
        raise RunFolderError(f"--resume: {path} cannot be read: {problem}") from problem
    given = yaml.safe_load(run_folder.run_file_text(run))
    difference = _first_difference(held, given)
    if difference:
        raise RunFolderError(
            f"--resume: the run in {folder} was started from another run file: {difference}; resume it with its own "
            f"({path}), or start a new run in another folder"
        )


def _first_difference(held: Any, given: Any, path: str = "") -> str:
    if isinstance(held, dict) and isinstance(given, dict):
        for key in {**held, **given}:
            inner = f"{path}.{key}" if path else str(key)
            if found := _first_difference(held.get(key), given.get(key), inner):
                return found
        return ""
    if isinstance(held, list) and isinstance(given, list) and len(held) == len(given):
        pairs = enumerate(zip(held, given, strict=True))
        differences = (_first_difference(a, b, f"{path}[{index}]") for index, (a, b) in pairs)
        return next((each for each in differences if each), "")
    return "" if held == given else f"{path} was {held!r} and is now {given!r}"
