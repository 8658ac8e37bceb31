"""Shear viscosity of runs at constant volume, from the pressure tensor that they wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.analysis.seed_sensitivity import SeedSensitivity, seed_sensitivity
from lamplighter.analysis.series import Estimate, mean_with_error
from lamplighter.analysis.viscosity import MIN_PIECES, PLATEAU, ShearViscosity, shear_viscosity
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.observables.density import mean_of_runs
from lamplighter.observables.production import production_of_stage
from lamplighter.observables.thermostat import damped_by_langevin
from lamplighter.run_folder.names import PRESSURE
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.system import require_same_system

METHOD = "Green-Kubo by time decomposition; error from drawing the pieces anew"

TENSOR = ("pxx_bar", "pyy_bar", "pzz_bar", "pxy_bar", "pxz_bar", "pyz_bar")

_CONSTANT_STRESS = 5.0  # in standard errors: a mean beyond it is no noise
_DECAY_BETWEEN_SAMPLES = 0.5


@dataclass(frozen=True)
class RunViscosity:
    """One run.

    Attributes:
        folder, stage: The run folder and the name of the stage.
        length_ps, interval_ps: What was analysed, and the time between samples of the pressure tensor.
        discarded: What was left out from the beginning, in words.
        temperature: Mean, K.
        volume: Å³.
        viscosity: mPa s; without an error bar where the integral has not converged.
        decomposition: The curves behind it.
        system: As `Run.system`.
        notes: What limits the number.
    """

    folder: Path
    stage: str
    length_ps: float
    interval_ps: float
    discarded: str
    temperature: float
    volume: float
    viscosity: Estimate
    decomposition: ShearViscosity
    system: str
    notes: list[str]


@dataclass(frozen=True)
class ViscosityOfRuns:
    """Several runs together; `mean` in mPa s, its error from their spread (of one: its own)."""

    runs: list[RunViscosity]
    mean: Estimate

    @property
    def seeds(self) -> SeedSensitivity | None:
        """Spread over runs, which differ in their seed; None of a single run."""
        return seed_sensitivity([run.viscosity for run in self.runs])


def viscosity_of_run(
    run: Run, stage: str | None = None, discard_ps: float | None = None, pieces: int | None = None
) -> RunViscosity:
    """Shear viscosity in a stage of a run.

    Args:
        run: The run.
        stage: Name or index; None: the last at constant volume.
        discard_ps: What is left out from the beginning of the stage, ps; None: as `production.production_of_stage`.
        pieces: As `shear_viscosity`.

    Raises:
        LamplighterError: the run wrote no pressure tensor, has no stage at constant volume, or is too short.
    """
    record = run.stage(stage, ("nvt", "nve"), "the fluctuation of the pressure at fixed volume")
    table = run.pressure_tensor
    if table is None:
        raise RunFolderError(
            f"{run.folder} holds no {PRESSURE}: the run wrote no pressure tensor. Run it with output.pressure_tensor, "
            "for example `output: {pressure_tensor: 5 fs}`"
        )
    rows = table.stage(record.index)
    if rows.n_rows < 2:
        raise RunFolderError(f"{run.folder / PRESSURE} holds {rows.n_rows} lines of stage {record.name}: too few")
    time_ps, tensor = rows["time_ps"], np.stack([rows[name] for name in TENSOR], axis=1)
    time_ps = time_ps - time_ps[0]
    production = production_of_stage(run, record, discard_ps)
    kept = production.of(time_ps)
    if int(kept.sum()) < 2:
        raise RunFolderError(
            f"--discard {production.begin_ps:g}ps leaves nothing of stage {record.name} of {run.folder}, which is "
            f"{time_ps[-1]:.6g} ps long: give less, or auto"
        )
    time_ps, tensor = _evenly_spaced(run.folder / PRESSURE, time_ps[kept], tensor[kept])
    interval = (time_ps[-1] - time_ps[0]) / (len(time_ps) - 1)
    temperature = float(rows["temperature_K"][kept].mean())
    volume = float(rows["volume_A3"][kept].mean())
    try:
        made = shear_viscosity(tensor, interval, volume, temperature, pieces)
    except LamplighterError as problem:
        raise RunFolderError(f"stage {record.name} of {run.folder}, {production.words}: {problem}") from None
    notes = [
        *_of_sampling(tensor, interval),
        *_of_stress(tensor),
        *damped_by_langevin(run, record.index, "momentum does not flow as in the liquid"),
    ]
    note = ""
    if not made.converged:
        note = (
            f"not converged: where the integral is cut off ({made.cutoff_ps:.3g} ps), it has come to "
            f"{100.0 * made.reached:.0f} % of "
            f"its limit, less than {100.0 * PLATEAU:.0f} %: simulate longer"
        )
    elif math.isnan(made.standard_error):
        note = f"{made.n_pieces} pieces, fewer than {MIN_PIECES}"
    error = math.nan if note else made.standard_error
    n = made.n_pieces
    return RunViscosity(
        folder=run.folder,
        stage=record.name,
        length_ps=float(time_ps[-1] - time_ps[0]),
        interval_ps=interval,
        discarded=production.words,
        temperature=temperature,
        volume=volume,
        viscosity=Estimate(made.value, error, "mPa s", METHOD, n, 1.0, float(n), note),
        decomposition=made,
        system=run.system,
        notes=notes,
    )


def viscosity_of_runs(
    runs: Sequence[Run], stage: str | None = None, discard_ps: float | None = None, pieces: int | None = None
) -> ViscosityOfRuns:
    """Mean over runs of one system; arguments as `viscosity_of_run`.

    Raises:
        LamplighterError: a run cannot be used, or they are of different systems.
    """
    made = [viscosity_of_run(run, stage, discard_ps, pieces) for run in runs]
    return viscosities_together(made)


def viscosities_together(made: Sequence[RunViscosity]) -> ViscosityOfRuns:
    """Put runs together.

    Raises:
        RunFolderError: they are of different systems.
    """
    require_same_system((each.folder, each.system) for each in made)
    return ViscosityOfRuns(list(made), mean_of_runs([each.viscosity for each in made]))


def _evenly_spaced(path: Path, time_ps: Floats, tensor: Floats) -> tuple[Floats, Floats]:
    """Without a first line between two regular ones, which a stage begins with.

    Raises:
        RunFolderError: lines are missing in between.
    """
    steps = np.diff(time_ps)
    interval = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - interval) > 1e-3 * interval)
    if len(uneven) and uneven[0] == 0:
        time_ps, tensor, uneven = time_ps[1:], tensor[1:], uneven[1:] - 1
    if len(uneven):
        at = int(uneven[0])
        raise RunFolderError(
            f"{path}: lines must follow each other at equal intervals, here {interval:.6g} ps; from {time_ps[at]:.6g} "
            f"to {time_ps[at + 1]:.6g} ps of the stage there is a gap"
        )
    return time_ps, tensor


def _of_sampling(tensor: Floats, interval_ps: float) -> list[str]:
    shear = tensor[:, 3:]
    kept = float((shear[1:] * shear[:-1]).sum() / (shear * shear).sum())
    if kept >= _DECAY_BETWEEN_SAMPLES:
        return []
    return [
        f"the pressure tensor loses {100.0 * (1.0 - kept):.0f} % of its correlation between lines ({interval_ps:g} "
        "ps), so the integral misses its beginning; write it more often (output.pressure_tensor)"
    ]


def _of_stress(tensor: Floats) -> list[str]:
    for name, series in zip(("xy", "xz", "yz"), tensor[:, 3:].T, strict=True):
        mean = mean_with_error(series)
        if abs(mean.value) > _CONSTANT_STRESS * mean.standard_error:
            return [
                f"the mean of p{name} is {mean.value:.3g} ± {mean.standard_error:.2g} bar, not zero: this is the "
                "stress of a solid, a glass or a strained cell, and no viscosity of a liquid"
            ]
    return []
