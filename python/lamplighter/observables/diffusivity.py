"""Self-diffusivity of the molecules of one or several trajectories."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.centres_of_mass import CELL_TOLERANCE, CentresOfMass, change_of_cell, read_centres
from lamplighter.analysis.diffusivity import (
    BlockPlan,
    Diffusivity,
    GreenKubo,
    einstein,
    green_kubo,
    too_short,
    yeh_hummer,
)
from lamplighter.analysis.displacement import mean_squared_displacement
from lamplighter.analysis.molecules import Molecules
from lamplighter.analysis.seed_sensitivity import SeedSensitivity, seed_sensitivity
from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError, RunFolderError, TrajectoryError
from lamplighter.observables.density import mean_of_runs
from lamplighter.observables.production import Production, production_of_length, production_of_stage
from lamplighter.observables.thermostat import SLOWER, damped_by_langevin
from lamplighter.observables.viscosity import viscosity_of_run
from lamplighter.run_folder.centres import RunCentres
from lamplighter.run_folder.names import PRESSURE
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.stages import time_in_stage_ps
from lamplighter.run_folder.status import StageStatus
from lamplighter.run_folder.trajectory import RunTrajectory
from lamplighter.structures.frame import Frame

MIXTURE = "all molecules"
"""Name of the average over all molecules, each counting once."""

TO_1E6_CM2_S = 100.0
"""Å²/ps in 10⁻⁶ cm²/s."""

METHOD = "Einstein relation; error from blocks that do not overlap"


@dataclass(frozen=True)
class DiffusivityOptions:
    """What is done with a trajectory; times in ps.

    Attributes:
        discard: Left out from the beginning; None: as `production.production_of_stage`, of other files
            `production.production_of_length`.
        plan: The blocks.
        viscosity: mPa s, for the finite-size correction; None: none is made but by `own_viscosity`.
        viscosity_error: Its standard error.
        viscosity_of_run: It is that of the run itself, so that runs do not share its error.
        own_viscosity: Where no viscosity is given, take that of the run, if it wrote its pressure tensor.
        temperature: K, for the same; None: that of the run.
        vacf_length: Up to which the velocity autocorrelation is integrated.
        unwrap, bonds: As `centres_of_mass.read_centres`; bonds None: as the run decided, else `BondRule()`.
    """

    discard: float | None = None
    plan: BlockPlan = field(default_factory=BlockPlan)
    viscosity: float | None = None
    viscosity_error: float = 0.0
    viscosity_of_run: bool = False
    own_viscosity: bool = True
    temperature: float | None = None
    vacf_length: float = 2.0
    unwrap: bool = False
    bonds: BondRule | None = None


@dataclass(frozen=True)
class SpeciesDiffusivity:
    """D of one species in one trajectory.

    Attributes:
        name: Formula, or `MIXTURE`.
        einstein: From displacements.
        msd_lags_ps, msd: Mean squared displacement over all time origins up to the length of a block, ps and Å².
        green_kubo: From velocities; None where there are none.
    """

    name: str
    einstein: Diffusivity
    msd_lags_ps: Floats
    msd: Floats
    green_kubo: GreenKubo | None


@dataclass(frozen=True)
class TrajectoryDiffusivity:
    """One trajectory.

    Attributes:
        path: The file or run folder.
        length_ps, interval_ps: What was analysed, without what was discarded.
        discarded_ps: Left out from the beginning.
        discarded: The same in words.
        species: Each species, then all molecules where there are several species.
        edge: Cube root of the volume, Å.
        correction: Yeh-Hummer, Å²/ps; None: not made.
        correction_error: Its standard error, from that of the viscosity.
        viscosity: What it was made with, mPa s.
        notes: What limits the numbers.
        temperature: Of the stage in production, K; None: not known.
    """

    path: Path
    length_ps: float
    interval_ps: float
    discarded_ps: float
    discarded: str
    species: list[SpeciesDiffusivity]
    edge: float
    correction: float | None
    correction_error: float
    viscosity: float | None
    notes: list[str]
    temperature: float | None = None

    def infinite(self, species: SpeciesDiffusivity) -> tuple[float, float] | None:
        """D of a species in an infinite box and its standard error, Å²/ps; None: no correction was made."""
        if self.correction is None:
            return None
        made = species.einstein
        return made.value + self.correction, math.hypot(made.standard_error, self.correction_error)

    @property
    def system(self) -> str:
        """Molecules and their numbers, in words."""
        return ", ".join(f"{each.einstein.n_molecules} {each.name}" for each in self.species)

    @property
    def mixture(self) -> SpeciesDiffusivity:
        """All molecules, each counting once."""
        return self.species[-1]


@dataclass(frozen=True)
class DiffusivityOfRuns:
    """Several trajectories together; `means` by species, Å²/ps, errors from their spread (of one: its own)."""

    trajectories: list[TrajectoryDiffusivity]
    means: dict[str, Estimate]

    @property
    def seeds(self) -> dict[str, SeedSensitivity]:
        """By species: spread over trajectories, which differ in their seed, Å²/ps; empty of a single one."""
        found = {
            name: seed_sensitivity([_estimate(each.species[place].einstein) for each in self.trajectories])
            for place, name in enumerate(self.means)
        }
        return {name: each for name, each in found.items() if each is not None}


def frames_of_stage(run: Run, trajectory: RunTrajectory | RunCentres, stage: str | None) -> Iterator[Frame]:
    """The frames of one stage of a run, times counted from its beginning.

    The frame of its first step was written by the stage before, whose cell may be another (`mean_volume_of`); then it
    is left out.

    Args:
        run: The run.
        trajectory: Its trajectory, or its centres of mass.
        stage: Name or index; None: the last at constant volume.

    Raises:
        RunFolderError: there is no stage at constant volume, or its place in time is not recorded.
    """
    begin, end = run.stages.interval_ps(_chosen(run, stage))
    tolerance = 1e-6 * max(end, 1.0)
    first: Frame | None = None
    for frame in trajectory:
        if frame.time_ps is None:
            raise RunFolderError(f"{trajectory.path}: the time of step {frame.step} is not known")
        if not begin - tolerance <= frame.time_ps <= end + tolerance:
            continue
        placed = replace(frame, time_ps=frame.time_ps - begin)
        if first is None and abs(placed.time_ps or 0.0) <= tolerance:
            first = placed
            continue
        if first is not None:
            if change_of_cell(first, frame) <= CELL_TOLERANCE:
                yield first
            first = None
        yield placed
    if first is not None:
        yield first


def temperature_of_stage(run: Run, record: StageStatus, production: Production) -> float | None:
    """Mean temperature of a stage in production, K; None: the thermo table does not say."""
    rows = run.thermo.stage(record.index)
    temperatures = rows["temperature_K"][production.of(time_in_stage_ps(rows, record))]
    temperatures = temperatures[np.isfinite(temperatures)]
    return float(temperatures.mean()) if len(temperatures) else None


def diffusivity_of_frames(
    path: Path,
    frames: Iterable[Frame],
    wanted: DiffusivityOptions,
    of_molecules: Molecules | None = None,
    production: Production | None = None,
) -> TrajectoryDiffusivity:
    """D of each species of a trajectory, and of all molecules; `of_molecules` as `centres_of_mass.read_centres`.

    `production` is that of the stage which the frames are of; None: it follows from their times.

    Raises:
        TrajectoryError: the frames cannot be used (`centres_of_mass.read_centres`), or are too few; the file is named.
    """
    try:
        whole = read_centres(frames, unwrap=wanted.unwrap, bonds=wanted.bonds, of_molecules=of_molecules)
        chosen = production or production_of_length(whole.length_ps, wanted.discard)
        return _analysed(path, whole, in_production(whole, wanted, chosen), chosen.words, wanted)
    except TrajectoryError as problem:
        raise TrajectoryError(f"{path}: {problem}") from None


def diffusivity_of_run(
    run: Run, stage: str | None, wanted: DiffusivityOptions, trajectory: RunTrajectory | RunCentres | None = None
) -> TrajectoryDiffusivity:
    """D in a stage of a run; the temperature of the finite-size correction is that of the stage unless it is given.

    Args:
        run: The run.
        stage: Name or index; None: the last at constant volume.
        wanted: What is done.
        trajectory: Its trajectory or its centres of mass; None: the centres where the run wrote them.

    Raises:
        LamplighterError: as `frames_of_stage` and `diffusivity_of_frames`.
    """
    trajectory = trajectory or run.motion()
    record = _chosen(run, stage)
    production = production_of_stage(run, record, wanted.discard)
    temperature = temperature_of_stage(run, record, production)
    if wanted.temperature is None:
        wanted = replace(wanted, temperature=temperature)
    wanted, more = with_own_viscosity(run, record, wanted)
    more += damped_by_langevin(run, record.index, SLOWER)
    known = trajectory.molecules if isinstance(trajectory, RunCentres) else None
    if isinstance(trajectory, RunTrajectory):
        wanted = replace(wanted, bonds=wanted.bonds or run.bonds)
    made = diffusivity_of_frames(run.folder, frames_of_stage(run, trajectory, stage), wanted, known, production)
    notes = [*made.notes, *more, *trajectory.notes]
    if trajectory.dropped:
        notes.append(f"{trajectory.path.name}: {trajectory.dropped}")
    return replace(made, notes=notes, temperature=temperature)


def with_own_viscosity(
    run: Run, record: StageStatus, wanted: DiffusivityOptions
) -> tuple[DiffusivityOptions, list[str]]:
    """The viscosity of the run itself, where it is wanted and can be had, and what is said of it.

    Args:
        run: The run.
        record: Its stage.
        wanted: Says whether; `discard` is that of the viscosity, too.
    """
    if wanted.viscosity is not None:
        correction_is_too_large = "no momentum flows through the images of the cell, and the correction is too large"
        return wanted, damped_by_langevin(run, record.index, correction_is_too_large)
    if not wanted.own_viscosity or not (run.folder / PRESSURE).exists():
        return wanted, []
    if damped_by_langevin(run, record.index, ""):
        return wanted, [
            "no finite-size correction with the viscosity of this run: the Langevin thermostat takes the momentum that "
            "would flow through the images of the cell"
        ]
    try:
        own = viscosity_of_run(run, str(record.index), wanted.discard).viscosity
    except LamplighterError as problem:
        return wanted, [f"no finite-size correction with the viscosity of this run: {problem}"]
    if own.note:
        return wanted, [f"no finite-size correction with the viscosity of this run: it has no error bar ({own.note})"]
    return replace(wanted, viscosity=own.value, viscosity_error=own.standard_error, viscosity_of_run=True), [
        f"corrected for the finite cell with the viscosity of this run, {own}"
    ]


def _chosen(run: Run, stage: str | None) -> StageStatus:
    return run.stage(stage, ("nvt", "nve"), "displacement at fixed volume")


def diffusivity_of_runs(trajectories: Sequence[TrajectoryDiffusivity]) -> DiffusivityOfRuns:
    """Mean over trajectories of one system.

    Raises:
        TrajectoryError: they are of different systems.
    """
    first = trajectories[0]
    for each in trajectories[1:]:
        if each.system != first.system:
            raise TrajectoryError(
                f"trajectories of different systems cannot be averaged: {first.path} holds {first.system}, {each.path} "
                f"holds {each.system}"
            )
    means = {}
    for place, species in enumerate(first.species):
        found = [each.species[place].einstein for each in trajectories]
        means[species.name] = mean_of_runs([_estimate(each) for each in found])
    return DiffusivityOfRuns(list(trajectories), means)


def in_production(whole: CentresOfMass, wanted: DiffusivityOptions, chosen: Production) -> CentresOfMass:
    """What is left of the centres in production.

    Raises:
        TrajectoryError: it is too short for the blocks.
    """
    centres = whole.since(chosen.begin_ps)
    reason = too_short(max(centres.length_ps, 0.0), whole.interval_ps, wanted.plan) if len(centres) > 1 else ""
    if len(centres) < 2:
        raise TrajectoryError(
            f"--discard {chosen.begin_ps:g}ps leaves nothing of {whole.length_ps:.6g} ps: give less, and shorter "
            "--block, --block-spacing and --ballistic, or simulate longer"
        )
    if reason:
        raise TrajectoryError(f"of {whole.length_ps:.6g} ps, {chosen.begin_ps:g} ps were discarded; {reason}")
    return centres


def _analysed(
    path: Path, whole: CentresOfMass, centres: CentresOfMass, discarded: str, wanted: DiffusivityOptions
) -> TrajectoryDiffusivity:
    molecules = centres.molecules
    if len(molecules) < 2:
        raise TrajectoryError(
            "all atoms are one molecule: without the motion of the total centre of mass nothing is left (--tolerance "
            "says how far bonded atoms may be apart)"
        )
    groups = [(name, molecules.species == place) for place, name in enumerate(molecules.names)]
    if len(groups) > 1:
        groups.append((MIXTURE, np.ones(len(molecules), dtype=bool)))
    notes: list[str] = []
    species = [_of_group(name, centres, which, wanted, notes) for name, which in groups]
    edge = float(abs(np.linalg.det(centres.cell)) ** (1.0 / 3.0))
    correction, uncertain = None, 0.0
    if wanted.viscosity is not None:
        correction, uncertain = finite_size(centres, wanted, notes)
    left_out = whole.length_ps - centres.length_ps
    return TrajectoryDiffusivity(
        path=path,
        length_ps=centres.length_ps,
        interval_ps=centres.interval_ps,
        discarded_ps=left_out,
        discarded=discarded,
        species=species,
        edge=edge,
        correction=correction,
        correction_error=uncertain,
        viscosity=wanted.viscosity if correction is not None else None,
        notes=notes,
    )


def finite_size(centres: CentresOfMass, wanted: DiffusivityOptions, notes: list[str]) -> tuple[float, float]:
    """What is added to D for the finite cell (Yeh-Hummer), with its standard error from that of the viscosity, Å²/ps.

    Args:
        centres: In their cell.
        wanted: With a viscosity.
        notes: Gets what limits the correction.

    Raises:
        TrajectoryError: there is no temperature, or no periodic cell.
    """
    assert wanted.viscosity is not None
    edge = float(abs(np.linalg.det(centres.cell)) ** (1.0 / 3.0))
    if wanted.temperature is None:
        raise TrajectoryError("the finite-size correction needs --temperature (only a run folder knows its own)")
    if not edge > 0.0:
        raise TrajectoryError("the finite-size correction needs a periodic cell")
    correction = yeh_hummer(wanted.temperature, wanted.viscosity, edge)
    lengths = np.linalg.norm(centres.cell, axis=1)
    if np.ptp(lengths) > 0.01 * edge or abs(edge**3 - float(np.prod(lengths))) > 0.01 * edge**3:
        notes.append("the cell is no cube: the correction takes the edge of a cube of the same volume")
    return correction, correction * wanted.viscosity_error / wanted.viscosity


def _of_group(
    name: str, centres: CentresOfMass, which: NDArray[np.bool_], wanted: DiffusivityOptions, notes: list[str]
) -> SpeciesDiffusivity:
    columns = _contiguous(which)
    positions = centres.positions[:, columns]
    made = einstein(positions, centres.interval_ps, wanted.plan)
    n_lags = len(made.lags_ps)
    if not made.diffusive:
        notes.append(
            f"{name}: not yet diffusive: MSD grows like t^{made.slope:.2f} between {wanted.plan.ballistic:g} and "
            f"{wanted.plan.length:g} ps; longer blocks are needed (--block, --ballistic)"
        )
    if math.isnan(made.standard_error):
        notes.append(f"{name}: no error bar: {made.n_independent} independent blocks, fewer than 5")
    velocities = None
    if centres.velocities is not None:
        velocities = _from_velocities(name, centres.velocities[:, columns], centres.interval_ps, wanted, notes)
    return SpeciesDiffusivity(name, made, made.lags_ps, mean_squared_displacement(positions, n_lags), velocities)


def _contiguous(which: NDArray[np.bool_]) -> NDArray[np.bool_] | slice:
    """The same molecules as a slice where they follow each other, so that no array is copied."""
    places = np.flatnonzero(which)
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else which


def _from_velocities(
    name: str, velocities: Floats, interval_ps: float, wanted: DiffusivityOptions, notes: list[str]
) -> GreenKubo | None:
    try:
        made = green_kubo(velocities, interval_ps, wanted.vacf_length)
    except TrajectoryError as problem:
        notes.append(f"{name}: not from velocities: {problem}")
        return None
    if abs(made.autocorrelation[1]) < 0.5 * made.autocorrelation[0]:
        notes.append(
            f"{name}: the velocities lose more than half of their correlation between frames ({interval_ps:g} ps): "
            "their integral means little; dump them more often"
        )
    return made


def _estimate(made: Diffusivity) -> Estimate:
    n = made.n_independent
    note = "" if math.isfinite(made.standard_error) else f"{n} independent blocks, fewer than 5"
    return Estimate(made.value, made.standard_error, "Å²/ps", METHOD, n, 1.0, float(n), note)
