"""Density and volume of a liquid at several temperatures and pressures: the NPT stages of runs, one point each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.errors import RunFolderError
from lamplighter.observables.density import RunDensity, density_of_stage
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.run_file import Conditions, PlannedStage
from lamplighter.run_folder.status import StageStatus
from lamplighter.run_folder.system import require_same_system

MOST_SIGMAS_APART = 4.0
"""Standard errors between the mean temperature of a stage and its thermostat's from which on a note is made."""


@dataclass(frozen=True)
class StatePoint:
    """One stage at constant temperature and pressure.

    Attributes:
        folder, index: The run folder, and the place of the stage in it.
        temperature: Of the thermostat, K.
        pressure: Of the barostat, bar.
        density: What the stage says; `density.mean` and `density.volume` are its means.
    """

    folder: Path
    index: int
    temperature: float
    pressure: float
    density: RunDensity


@dataclass(frozen=True)
class Line:
    """Points of one system along which one condition changes.

    Attributes:
        points: At least one, by what changes.
        constant: What does not, in K or bar.
        source: Their runs, for messages.
        notes: What limits them.
    """

    points: list[StatePoint]
    constant: float
    source: str
    notes: list[str]


def isotherm(runs: Sequence[Run], discard: float | None = None, stages: Sequence[str] = ()) -> Line:
    """The points of runs, by pressure; arguments and errors as `state_points`.

    Raises:
        RunFolderError: the points are at several temperatures.
    """
    return _line("pressure", "temperature", "K", state_points(runs, discard, stages), runs)


def isobar(runs: Sequence[Run], discard: float | None = None, stages: Sequence[str] = ()) -> Line:
    """The points of runs, by temperature; arguments and errors as `state_points`.

    Raises:
        RunFolderError: the points are at several pressures.
    """
    return _line("temperature", "pressure", "bar", state_points(runs, discard, stages), runs)


def state_points(
    runs: Sequence[Run], discard: float | None = None, stages: Sequence[str] = ()
) -> tuple[list[StatePoint], list[str]]:
    """The NPT stages at constant temperature and pressure of runs; of several in a row at one condition, the last.

    Args:
        runs: Of one system.
        discard: As `production.production_of_stage`, of each stage.
        stages: Names or indices of the stages of each run; none: as above.

    Returns:
        The points in the order of runs and stages, at least one, and what limits them.

    Raises:
        RunFolderError: a run cannot be read or used, has no such stage, none has run, or the runs are of different
            systems.
    """
    points: list[StatePoint] = []
    notes: list[str] = []
    for run in runs:
        run.require_dynamics()
        planned, folder = _planned(run), run.folder
        chosen = [_named(run, planned, wanted) for wanted in stages] or _productions(planned)
        if not chosen:
            found = ", ".join(f"{place} {stage.name} ({stage.type})" for place, stage in enumerate(planned))
            raise RunFolderError(
                f"{folder} has no npt stage at constant temperature and pressure, which an equation of state needs; "
                f"it has {found}"
            )
        for index in chosen:
            record = run.stages.indexed(index)
            if record is None or run.thermo.stage(index).n_rows < 2:
                notes.append(f"{folder}: stage {index} ({planned[index].name}) has not run; it is left out")
                continue
            points.append(_point(run, record, planned[index], discard, notes))
    if not points:
        raise RunFolderError(f"{_named_together(runs)}: no stage at constant pressure has run")
    require_same_system((point.folder, point.density.system) for point in points)
    return points, notes


def _line(
    changing: str, constant: str, unit: str, found: tuple[list[StatePoint], list[str]], runs: Sequence[Run]
) -> Line:
    """By the attribute `changing`; `constant`, in `unit`, must be one for all."""
    points = sorted(found[0], key=lambda point: getattr(point, changing))
    first, *others = points
    value = getattr(first, constant)
    for each in others:
        other = getattr(each, constant)
        if not math.isclose(other, value, rel_tol=1e-6, abs_tol=1e-6):
            raise RunFolderError(
                f"all stages must be at one {constant}: {point_name(first)} is at {value:g} {unit}, {point_name(each)} "
                f"at {other:g} {unit}; choose some with --stage"
            )
    return Line(points, value, _named_together(runs), found[1])


def _named_together(runs: Sequence[Run]) -> str:
    return ", ".join(str(run.folder) for run in runs)


def point_name(point: StatePoint) -> str:
    """A point in messages: its stage and run."""
    return f"stage {point.index} of {point.folder}"


def point_as_json(point: StatePoint) -> dict[str, Any]:
    """A point without its series."""
    density = point.density
    return {
        "folder": point.folder,
        "stage": point.index,
        "name": density.stage,
        "temperature_K": point.temperature,
        "pressure_bar": point.pressure,
        "density": density.mean,
        "volume": density.volume,
        "compressibility_from_fluctuations": density.compressibility,
        "mean_temperature": density.temperature,
        "discarded": density.discarded,
        "notes": density.notes,
    }


def _planned(run: Run) -> list[PlannedStage]:
    planned = run.run_file.stages
    if not planned:
        why = run.run_file.problem or f"{run.run_file.path} has no stages"
        raise RunFolderError(f"{run.folder} does not say at which temperatures and pressures it ran: {why}")
    return planned


def _constant(stage: PlannedStage) -> Conditions | None:
    """The conditions of an NPT stage without ramps; else None."""
    return stage.conditions if stage.type == "npt" else None


def _productions(planned: list[PlannedStage]) -> list[int]:
    conditions = [_constant(stage) for stage in planned]
    following = [*conditions[1:], None]
    return [
        index
        for index, (each, after) in enumerate(zip(conditions, following, strict=True))
        if each is not None and each != after
    ]


def _named(run: Run, planned: list[PlannedStage], wanted: str) -> int:
    found = [index for index, stage in enumerate(planned) if wanted in (str(index), stage.name)]
    if not found:
        named = ", ".join(f"{index} {stage.name}" for index, stage in enumerate(planned))
        raise RunFolderError(f"{run.folder} has no stage {wanted!r}; it has {named}")
    if _constant(planned[found[-1]]) is None:
        stage = planned[found[-1]]
        what = "a ramp" if stage.type == "npt" else stage.type
        raise RunFolderError(
            f"stage {wanted!r} of {run.folder} is {what}: an equation of state needs npt at constant temperature and "
            "pressure"
        )
    return found[-1]


def _point(
    run: Run, record: StageStatus, planned: PlannedStage, discard_ps: float | None, notes: list[str]
) -> StatePoint:
    condition = _constant(planned)
    assert condition is not None
    assert condition.pressure is not None
    temperature = condition.temperature
    density = density_of_stage(run, record, discard_ps)
    point = StatePoint(run.folder, record.index, temperature, condition.pressure, density)
    done = float(run.thermo.stage(record.index)["step"][-1] - run.thermo.stage(record.index)["step"][0])
    if record.steps is not None and done < record.steps:
        notes.append(f"{point_name(point)} broke off after {done:.0f} of {record.steps} steps")
    measured = density.temperature
    # a standard error may be nan, which max() keeps only in the first place
    if abs(measured.value - condition.temperature) > max(
        0.01 * condition.temperature, MOST_SIGMAS_APART * measured.standard_error
    ):
        notes.append(f"{point_name(point)} has a mean temperature of {measured.value:.4g} K, not {temperature:g} K")
    return point
