"""Where stages lie in a run, in steps: of the whole run, of its outputs, and of the place that it goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamplighter.analysis.domains import Grid
from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Stage, steps_of
from lamplighter.run_folder.stages import StageSteps, in_sequence


@dataclass(frozen=True)
class Restart:
    """Where a resumed run goes on.

    Attributes:
        file: LAMMPS restart file, relative to the run folder.
        stage: Index of the stage it lies in.
        step: Step it was written at.
        stage_is_over: Whether that stage has ended there.
        grid: Of the domains of the ranks that wrote it; None: not known.
    """

    file: str
    stage: int
    step: int
    stage_is_over: bool
    grid: Grid | None = None


def steps_of_stages(stages: Sequence[Stage]) -> list[StageSteps]:
    """First and last steps and times of all stages of a resolved run file."""
    lengths: list[tuple[int, float]] = []
    for stage in stages:
        if isinstance(stage, Minimise):
            lengths.append((0, 0.0))
            continue
        assert stage.timestep is not None, "the run file is not resolved"
        lengths.append((steps_of(stage.length, stage.timestep), stage.timestep.metal))
    return in_sequence(lengths)


def first_timestep(run: RunFile) -> float:
    """That of the first dynamics, ps."""
    first = next((s for s in run.stages if not isinstance(s, Minimise)), None)
    return first.timestep.metal if first is not None and first.timestep is not None else run.timestep.metal


def interval_in_steps(interval: Quantity | None, timestep_ps: float) -> int:
    """Steps between two outputs: at least 1, or 0 for never."""
    if interval is None:
        return 0
    steps = interval.value if interval.kind == "steps" else interval.metal / timestep_ps
    return max(1, round(steps))
