"""What an interrupted run has written, made ready for it to go on: cut back to the restart file, or taken away."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise
from lamplighter.driver import mend_trajectory as trajectory
from lamplighter.driver.stage_steps import Restart, interval_in_steps, steps_of_stages
from lamplighter.run_folder.names import (
    CENTRES,
    CHECKSUM,
    COMMITTEE,
    EVENTS,
    EXTRAPOLATION,
    FAILURE,
    FINAL,
    KEPT,
    LOG,
    PRESSURE,
    RESTART_FILES,
    SUMMARY,
    THERMO,
    THERMO_FIGURE,
    TRAJECTORY,
)
from lamplighter.run_folder.stages import StageSteps
from lamplighter.run_folder.writing import unwritable

TABLES = (THERMO, COMMITTEE, EXTRAPOLATION, PRESSURE)
DUMPS = (TRAJECTORY, CENTRES)
_OTHERS = (LOG, FAILURE, FINAL, SUMMARY, THERMO_FIGURE)


def cut_outputs(folder: Path, restart: Restart, keep_whole: bool = False) -> Path | None:
    """Drop what the run wrote after the restart file: lines of its tables and events, frames of its trajectory.

    Each file's last state stays in place until the new one is complete, so a cut that is broken off can be made again.

    Args:
        folder: The run folder.
        restart: Where the run goes on.
        keep_whole: Keep the files as they are in a folder of their own beforehand.

    Returns:
        That folder, if anything was put into it.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    try:
        kept = _keep(folder, (*TABLES, EVENTS, *DUMPS), move=False) if keep_whole else None
        for name in TABLES:
            if (folder / name).exists():
                _cut_table(folder / name, restart)
        if (folder / EVENTS).exists():
            _cut_events(folder / EVENTS, restart)
        for name in DUMPS:
            if (folder / name).exists():
                trajectory.keep_frames_until(folder / name, restart.step)
    except OSError as problem:
        raise unwritable(folder, problem) from problem
    return kept


def clear_outputs(folder: Path, keep: bool) -> Path | None:
    """Take away what a start that was broken off has written, so that nothing of it gets into the new one.

    Args:
        folder: The run folder.
        keep: Move it into a folder of its own.

    Returns:
        That folder, if anything was put into it.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    names = [*TABLES, EVENTS, *DUMPS, *_OTHERS]
    names += [path.name for pattern in (RESTART_FILES, RESTART_FILES + CHECKSUM) for path in folder.glob(pattern)]
    try:
        kept = _keep(folder, names, move=True) if keep else None
        for name in names:
            (folder / name).unlink(missing_ok=True)
    except OSError as problem:
        raise unwritable(folder, problem) from problem
    return kept


def drop_lines_between(folder: Path, run: RunFile) -> None:
    """Take the lines out of the tables at which a run went on between two regular ones: they are as if it had not.

    LAMMPS writes a line wherever a table is begun or gone on with.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    placed = steps_of_stages(run.stages)

    def of(interval: Quantity) -> list[int]:
        return [interval_in_steps(interval, each.timestep_ps or 1.0) for each in placed]

    every = {THERMO: of(run.output.thermo)}
    if run.output.pressure_tensor is not None:
        every[PRESSURE] = of(run.output.pressure_tensor)
    if run.committee is not None:
        every[COMMITTEE] = [run.committee.every] * len(placed)
    if run.extrapolation is not None:
        every[EXTRAPOLATION] = [run.extrapolation.every] * len(placed)
    for name, intervals in every.items():
        if not (folder / name).exists():
            continue
        lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
        kept = [line for line in lines if not _lies_between(line, run, placed, intervals)]
        if len(kept) < len(lines):
            try:
                _write(folder / name, kept)
            except OSError as problem:
                raise unwritable(folder, problem) from problem


def _lies_between(line: str, run: RunFile, placed: list[StageSteps], intervals: list[int]) -> bool:
    stage, _, rest = line.partition(",")
    step = rest.partition(",")[0]
    if not (stage.isdigit() and step.isdigit()) or isinstance(run.stages[int(stage)], Minimise):
        return False
    return int(step) != placed[int(stage)].begin and int(step) % intervals[int(stage)] != 0


def _keep(folder: Path, names: tuple[str, ...] | list[str], move: bool) -> Path | None:
    there = [name for name in names if (folder / name).exists()]
    if not there:
        return None
    number = 1
    while (folder / KEPT.format(number)).exists():
        number += 1
    kept = folder / KEPT.format(number)
    kept.mkdir()
    for name in there:
        if move:
            (folder / name).replace(kept / name)
        else:
            shutil.copy2(folder / name, kept / name)
    return kept


def _cut_table(path: Path, restart: Restart) -> None:
    header, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    kept = [header]
    for line in lines:
        values = line.split(",")
        whole = len(values) == header.count(",") + 1 and values[0].isdigit() and values[1].isdigit()
        if whole and _belongs(int(values[0]), int(values[1]), restart):
            kept.append(line)
    _write(path, kept)


def _cut_events(path: Path, restart: Restart) -> None:
    """The guard checks the restart's own step again. A line that was broken off goes, too."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if json.loads(line)["step"] < restart.step:
                kept.append(line)
    _write(path, kept)


def _write(path: Path, lines: list[str]) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    partial.replace(path)


def _belongs(stage: int, step: int, restart: Restart) -> bool:
    """Whether a line of the table came before the restart; the line at its very step is written anew."""
    if stage != restart.stage:
        return stage < restart.stage
    return restart.stage_is_over or step < restart.step
