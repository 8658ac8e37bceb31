"""Where what a run has written has a gap: lines and frames that should be there and are not.

LAMMPS does not look whether the disk took its output, so a disk that was full for a while leaves gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise
from lamplighter.driver import mend_trajectory as trajectory
from lamplighter.driver.stage_steps import interval_in_steps, steps_of_stages
from lamplighter.run_folder.names import CENTRES, COMMITTEE, EXTRAPOLATION, PRESSURE, THERMO, TRAJECTORY


def first_gaps(folder: Path, run: RunFile) -> dict[str, int]:
    """The first step that is missing in each output of a run with regular lines or frames, by file name.

    Files that are there to their end, or that the run file does not ask for, are not named.
    """
    found: dict[str, int] = {}
    for name, expected in _expected(run).items():
        path = folder / name
        present: Iterator[int] = iter(())
        if path.exists():
            present = _steps_of_table(path, run) if path.suffix == ".csv" else _steps_of_frames(path)
        missing = _first_missing(expected, present)
        if missing is not None:
            found[name] = missing
    return found


def step_reached(folder: Path, run: RunFile) -> int:
    """The last step of dynamics that `thermo.csv` holds; 0 where it holds none."""
    table = folder / THERMO
    return max(_steps_of_table(table, run), default=0) if table.exists() else 0


def _expected(run: RunFile) -> dict[str, Iterator[int]]:
    output = run.output
    wanted = {THERMO: lambda timestep: interval_in_steps(output.thermo, timestep)}
    if output.trajectory is not None:
        wanted[TRAJECTORY] = lambda timestep: interval_in_steps(output.trajectory, timestep)
    if output.centres_of_mass is not None:
        wanted[CENTRES] = lambda timestep: interval_in_steps(output.centres_of_mass, timestep)
    if output.pressure_tensor is not None:
        wanted[PRESSURE] = lambda timestep: interval_in_steps(output.pressure_tensor, timestep)
    if run.committee is not None:
        every = run.committee.every
        wanted[COMMITTEE] = lambda timestep: every
    if run.extrapolation is not None:
        of_training_set = run.extrapolation.every
        wanted[EXTRAPOLATION] = lambda timestep: of_training_set
    return {name: _steps(run, of_timestep) for name, of_timestep in wanted.items()}


def _steps(run: RunFile, interval: object) -> Iterator[int]:
    """Multiples of the interval of each stage of dynamics, after its first step."""
    assert callable(interval)
    for stage, steps in zip(run.stages, steps_of_stages(run.stages), strict=True):
        if not isinstance(stage, Minimise):
            every = interval(steps.timestep_ps)
            yield from range((steps.begin // every + 1) * every, steps.end + 1, every)


def _first_missing(expected: Iterator[int], present: Iterator[int]) -> int | None:
    held = -1
    for step in expected:
        while held < step:
            following = next(present, None)
            if following is None:
                return step
            held = following
        if held != step:
            return step
    return None


def _steps_of_table(path: Path, run: RunFile) -> Iterator[int]:
    """The second column of the whole lines of dynamics, behind the header; minimisations count steps of their own."""
    dynamics = {str(index).encode() for index, stage in enumerate(run.stages) if not isinstance(stage, Minimise)}
    with path.open("rb") as table:
        commas = table.readline().count(b",")
        for line in table:
            values = line.split(b",", 2)
            if line.endswith(b"\n") and line.count(b",") == commas and values[0] in dynamics and values[1].isdigit():
                yield int(values[1])


def _steps_of_frames(path: Path) -> Iterator[int]:
    for frame in trajectory.whole_frames(path):
        yield trajectory.step_of(frame)
