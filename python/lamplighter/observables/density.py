"""The density of runs at constant pressure: production, mean, distribution, compressibility."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lamplighter.analysis.blocking import BlockErrors, block_errors
from lamplighter.analysis.compressibility import compressibility
from lamplighter.analysis.distribution import (
    PSEUDO_COUNT,
    Divergence,
    common_edges,
    counts_of,
    divergence,
    probabilities,
)
from lamplighter.analysis.seed_sensitivity import SeedSensitivity, seed_sensitivity
from lamplighter.analysis.series import Estimate, mean_with_error
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.observables.production import production_of_stage, unsettled
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.stages import time_in_stage_ps
from lamplighter.run_folder.status import StageStatus
from lamplighter.run_folder.system import require_same_system

METHOD_OF_RUNS = "mean of the runs' means, runs counting alike; error s/√n over runs"
METHOD_WITHIN = "mean of the runs' means; error of each run in quadrature / n, so without the spread between runs"

MOST_TEMPERATURES_APART = 0.05
"""Relative difference of runs' mean temperatures from which on a note is made."""


@dataclass(frozen=True)
class RunDensity:
    """One run.

    Attributes:
        folder, stage: The run folder and the name of the stage.
        time_ps: Since the beginning of the stage, shape (N,).
        density: g/cm³, shape (N,).
        start: Row at which production begins.
        discarded: What was left out before it, in words.
        mean: Of production, g/cm³.
        volume: Of production, Å³.
        compressibility: 1/Pa.
        temperature: K.
        blocks: Block averaging of production.
        system: As `Run.system`.
        notes: What limits the numbers.
    """

    folder: Path
    stage: str
    time_ps: Floats
    density: Floats
    start: int
    discarded: str
    mean: Estimate
    volume: Estimate
    compressibility: Estimate
    temperature: Estimate
    blocks: BlockErrors
    system: str
    notes: list[str] = field(default_factory=list)

    @property
    def production(self) -> Floats:
        """The densities that count, g/cm³."""
        return self.density[self.start :]


@dataclass(frozen=True)
class DensityOfRuns:
    """What a set of runs says together.

    Attributes:
        runs: Each run.
        mean: Over runs, g/cm³; its error from their spread, with one run that of the run.
        within: The same mean with the error from the fluctuations within runs alone; where it is much smaller than
            that of `mean`, the runs differ by more than their noise (seeds).
        edges: Common grid of all runs and references, g/cm³, shape (K + 1,).
        probability: P(ρ) of each bin, shape (K,).
        reference_probability, divergence: Of the reference runs; None where there are none.
        references: The reference runs.
        pseudo_count: What was added to each bin.
        notes: What limits the numbers.
    """

    runs: list[RunDensity]
    mean: Estimate
    within: Estimate
    edges: Floats
    probability: Floats
    references: list[RunDensity]
    reference_probability: Floats | None
    divergence: Divergence | None
    pseudo_count: float
    notes: list[str]

    @property
    def counts(self) -> list[Floats]:
        """Samples of production of each run in each bin, shape (K,): what a stored P(ρ) is read from."""
        return [counts_of(run.production, self.edges) for run in self.runs]

    @property
    def seeds(self) -> SeedSensitivity | None:
        """Spread over runs, which differ in their seed; None of a single run."""
        return seed_sensitivity([run.mean for run in self.runs])


def density_of_run(run: Run, discard_ps: float | None = None, stage: str | None = None) -> RunDensity:
    """Density of a run from its thermo table.

    Args:
        run: The run.
        discard_ps: What is left out from the beginning of the stage, ps; None: as `production.production_of_stage`.
        stage: Name or index; None: the last NPT stage.

    Raises:
        RunFolderError: there is no NPT stage, it has no rows, its volume is constant, or nothing is left.
    """
    return density_of_stage(run, run.stage(stage, ("npt",), "a density that fluctuates"), discard_ps)


def density_of_stage(run: Run, record: StageStatus, discard_ps: float | None = None) -> RunDensity:
    """The same of one stage of dynamics. Raises as `density_of_run`."""
    folder = run.folder
    rows = run.thermo.stage(record.index)
    density, volume, temperature = rows["density_g_cm3"], rows["volume_A3"], rows["temperature_K"]
    finite = np.isfinite(density) & np.isfinite(volume) & np.isfinite(temperature)
    notes = run.notes_on_thermo
    if not finite.all():
        notes.append(f"{int((~finite).sum())} rows that are not finite were left out")
    time = time_in_stage_ps(rows, record)[finite]
    density, volume, temperature = density[finite], volume[finite], temperature[finite]
    if len(density) < 2:
        raise RunFolderError(f"stage {record.name} of {folder} has {len(density)} rows with a density: too few")
    if np.ptp(volume) <= 1e-12 * volume.max():
        raise RunFolderError(
            f"the volume is constant in stage {record.name} of {folder}: a density that fluctuates needs an npt stage"
        )
    production = production_of_stage(run, record, discard_ps)
    start = len(time) - int(production.of(time).sum())
    if start >= len(time) - 1:
        raise RunFolderError(
            f"--discard {production.begin_ps:g}ps leaves nothing of stage {record.name} of {folder}, which is "
            f"{time[-1]:.6g} ps long: give less, or auto"
        )
    drifting = unsettled(density[start:], "density")
    if drifting:
        notes.append(drifting)
    mean_temperature = mean_with_error(temperature[start:], "K")
    return RunDensity(
        folder=folder,
        stage=record.name,
        time_ps=time,
        density=density,
        start=start,
        discarded=production.words,
        mean=mean_with_error(density[start:], "g/cm³"),
        volume=mean_with_error(volume[start:], "Å³"),
        compressibility=compressibility(volume[start:], mean_temperature.value),
        temperature=mean_temperature,
        blocks=block_errors(density[start:]),
        system=run.system,
        notes=notes,
    )


def density_of_runs(
    runs: Sequence[Run],
    references: Sequence[Run] = (),
    discard_ps: float | None = None,
    stage: str | None = None,
    bin_width: float | None = None,
    pseudo_count: float = PSEUDO_COUNT,
) -> DensityOfRuns:
    """The density of each run and its references, put together.

    Args:
        runs, references: Of one system.
        discard_ps, stage: As `density_of_run`.
        bin_width: Of the grid, g/cm³; None: Scott's rule.
        pseudo_count: As `distribution.divergence`.

    Raises:
        LamplighterError: a run cannot be used, runs are of different systems, or the grid cannot be made.
    """
    return density_together(
        [density_of_run(run, discard_ps, stage) for run in runs],
        [density_of_run(run, discard_ps, stage) for run in references],
        bin_width,
        pseudo_count,
    )


def density_together(
    runs: Sequence[RunDensity],
    others: Sequence[RunDensity] = (),
    bin_width: float | None = None,
    pseudo_count: float = PSEUDO_COUNT,
) -> DensityOfRuns:
    """Put runs, and `others` that are their reference, together; else as `density_of_runs`."""
    require_same_system((run.folder, run.system) for run in (*runs, *others))
    samples, reference = [run.production for run in runs], [run.production for run in others]
    try:
        edges = common_edges([*samples, *reference], bin_width)
        apart = divergence(samples, reference, edges, pseudo_count) if others else None
    except ValueError as problem:
        raise LamplighterError(f"P(ρ): {problem}") from None
    notes = []
    temperatures = [run.temperature.value for run in (*runs, *others)]
    if max(temperatures) > (1.0 + MOST_TEMPERATURES_APART) * min(temperatures):
        notes.append(f"the runs are at different temperatures: {min(temperatures):.4g} to {max(temperatures):.4g} K")
    return DensityOfRuns(
        runs=list(runs),
        mean=mean_of_runs([run.mean for run in runs]),
        within=_mean_within([run.mean for run in runs]),
        edges=edges,
        probability=probabilities(samples, edges, pseudo_count),
        references=list(others),
        reference_probability=probabilities(reference, edges, pseudo_count) if others else None,
        divergence=apart,
        pseudo_count=pseudo_count,
        notes=notes,
    )


def mean_of_runs(means: Sequence[Estimate]) -> Estimate:
    """Mean of several runs with the error from their spread; of a single run, its own."""
    if len(means) == 1:
        return means[0]
    values = np.array([each.value for each in means])
    n = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(float(values.mean()), error, means[0].unit, METHOD_OF_RUNS, n, 1.0, float(n))


def _mean_within(means: Sequence[Estimate]) -> Estimate:
    n = len(means)
    if n == 1:
        return means[0]
    error = math.sqrt(sum(each.standard_error**2 for each in means)) / n
    value = float(np.mean([each.value for each in means]))
    note = "" if math.isfinite(error) else "a run has no error bar of its own"
    return Estimate(value, error, means[0].unit, METHOD_WITHIN, n, 1.0, float(n), note)
