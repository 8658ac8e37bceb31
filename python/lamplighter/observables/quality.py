"""Q of a committee's runs against reference runs or stored numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from lamplighter.analysis.distribution import (
    PSEUDO_COUNT,
    common_edges,
    counts_of,
    divergence,
    kl_divergence,
    probabilities,
    probabilities_of_counts,
    widened,
)
from lamplighter.analysis.quality import NptRun, NvtRun, Quality, quality
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError
from lamplighter.observables.density import MOST_TEMPERATURES_APART, RunDensity, density_of_run
from lamplighter.observables.diffusivity import DiffusivityOptions, TrajectoryDiffusivity, diffusivity_of_run
from lamplighter.observables.lifetime import RunLifetime, lifetime_of_run
from lamplighter.observables.stored_reference import StoredDiffusivity, StoredDistribution
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.system import require_same_system


@dataclass(frozen=True)
class StoredReference:
    """Numbers of a reference that has no run folders here.

    Attributes:
        density: Mean and standard deviation of a Gaussian P(ρ), g/cm³, or the distribution itself; None: from runs.
        diffusivity: Å²/ps, or what a file has of it; None: from runs.
        noise: D_KL between references that differ in their seed; None: from runs, else 0.
    """

    density: tuple[float, float] | StoredDistribution | None = None
    diffusivity: float | StoredDiffusivity | None = None
    noise: float | None = None


@dataclass(frozen=True)
class QualityOptions:
    """`horizon_ps`; `discard_ps` of densities (None: as `production.production_of_stage`); `bin_width` in g/cm³ (None:
    Scott's rule); `diffusivity`: how D is found.
    """

    horizon_ps: float = 1000.0
    discard_ps: float | None = None
    bin_width: float | None = None
    diffusivity: DiffusivityOptions = field(default_factory=DiffusivityOptions)


@dataclass(frozen=True)
class MemberRun:
    """A run with what was taken from it.

    Attributes:
        ensemble: "npt" or "nvt": of its last stage of dynamics.
        lifetime: t_stab.
        stable: Whether it reached the horizon.
        density: Mean, g/cm³; None: not npt, or not stable.
        divergence: D_KL from the reference; None likewise.
        diffusivity: Å²/ps; None: not nvt, or not stable.
        density_error, diffusivity_error: Standard errors, from the fluctuations within the run; nan: it is too short.
    """

    ensemble: str
    lifetime: RunLifetime
    stable: bool
    density: float | None = None
    divergence: float | None = None
    diffusivity: float | None = None
    density_error: float | None = None
    diffusivity_error: float | None = None


@dataclass(frozen=True)
class QualityOfRuns:
    """Q with all that it was made from.

    Attributes:
        reference_densities: Mean of each run of the reference, g/cm³; one number where it was given as one.
        reference_diffusivities: Of all molecules, likewise, Å²/ps; empty: there is no reference for it.
    """

    quality: Quality
    members: list[MemberRun]
    noise: float
    reference_densities: list[float]
    reference_diffusivities: list[float]
    horizon_ps: float
    notes: list[str]

    @property
    def reference_diffusivity(self) -> float | None:
        """Mean over the runs of the reference, Å²/ps; None: there is none."""
        return float(np.mean(self.reference_diffusivities)) if self.reference_diffusivities else None


def quality_of_runs(
    runs: Sequence[Run], references: Sequence[Run], stored: StoredReference, options: QualityOptions
) -> QualityOfRuns:
    """Sort a committee's runs and the references by ensemble, and compute Q.

    Raises:
        LamplighterError: a run cannot be used, they are of different systems, or there is no reference for the density.
    """
    notes: list[str] = []
    lifetimes = [lifetime_of_run(run) for run in runs]
    others = [lifetime_of_run(run) for run in references]
    _same_formula(lifetimes + others)
    given = {run.folder: run for run in (*runs, *references)}
    ensembles = {folder: ensemble_of(run) for folder, run in given.items()}
    npt = [run for run in lifetimes if ensembles[run.folder] == "npt"]
    if not npt:
        raise LamplighterError("Q needs at least one run whose last stage is npt among the committee's runs")
    for run in npt:
        if not any(each.startswith("density") for each in run.criteria):
            notes.append(f"{run.folder.name}: its density was not watched, so t_NPT counts broken bonds alone")

    densities = {
        run.folder: density_of_run(given[run.folder], options.discard_ps) for run in npt if _stable(run, options)
    }
    reference = [
        density_of_run(given[run.folder], options.discard_ps) for run in others if ensembles[run.folder] == "npt"
    ]
    divergences, noise = _divergences(densities, reference, stored, options, notes)

    motions = {
        run.folder: _diffusivity(given[run.folder], options)
        for run in lifetimes
        if ensembles[run.folder] == "nvt" and _stable(run, options)
    }
    moving = {folder: each.mixture.einstein.value for folder, each in motions.items()}
    still = [run.folder for run in others if ensembles[run.folder] == "nvt"]
    reference_d: list[float]
    if isinstance(stored.diffusivity, StoredDiffusivity):
        if still:
            raise LamplighterError(
                f"--reference: both {stored.diffusivity.path} and {still[0]} say what the diffusivity is; give one"
            )
        _same_molecules(stored.diffusivity, motions)
        for folder, motion in motions.items():
            _note_temperature(folder, motion.temperature, stored.diffusivity, notes)
        reference_d = stored.diffusivity.values
    elif stored.diffusivity is not None:
        reference_d = [stored.diffusivity]
    else:
        reference_d = [_diffusivity(given[folder], options).mixture.einstein.value for folder in still]

    members = [
        MemberRun(
            ensembles[run.folder],
            run,
            _stable(run, options),
            densities[run.folder].mean.value if run.folder in densities else None,
            divergences.get(run.folder),
            moving.get(run.folder),
            densities[run.folder].mean.standard_error if run.folder in densities else None,
            motions[run.folder].mixture.einstein.standard_error if run.folder in motions else None,
        )
        for run in lifetimes
    ]
    made = quality(
        [NptRun(m.lifetime.time_ps, m.lifetime.failed, m.divergence) for m in members if m.ensemble == "npt"],
        [NvtRun(m.lifetime.time_ps, m.lifetime.failed, m.diffusivity) for m in members if m.ensemble == "nvt"],
        noise,
        float(np.mean(reference_d)) if reference_d else None,
        options.horizon_ps,
    )
    return QualityOfRuns(
        made, members, noise, _reference_means(stored.density, reference), reference_d, options.horizon_ps, notes
    )


def _reference_means(stored: tuple[float, float] | StoredDistribution | None, runs: list[RunDensity]) -> list[float]:
    if isinstance(stored, StoredDistribution):
        return stored.means
    return [each.mean.value for each in runs] if stored is None else [stored[0]]


def ensemble_of(run: Run) -> str:
    """ "npt" or "nvt" (nvt or nve): what the last stage of dynamics of a run is.

    Raises:
        LamplighterError: it is not recorded.
    """
    types = [stage.type for stage in run.stages if not stage.is_minimisation]
    if not types or types[-1] not in ("npt", "nvt", "nve"):
        raise LamplighterError(f"{run.folder}: status.json does not say of what type its last stage is")
    return "npt" if types[-1] == "npt" else "nvt"


def _divergences(
    densities: dict[Path, RunDensity],
    reference: list[RunDensity],
    stored: StoredReference,
    options: QualityOptions,
    notes: list[str],
) -> tuple[dict[Path, float], float]:
    """D_KL of each stable member from the reference, and that between references."""
    if isinstance(stored.density, StoredDistribution) and reference:
        raise LamplighterError(
            f"--reference: both {stored.density.path} and {reference[0].folder} say what the density is; give one"
        )
    try:
        if isinstance(stored.density, StoredDistribution):
            made, pairs = _from_distribution(densities, stored.density, options, notes)
        elif stored.density is not None:
            made, pairs = _from_gaussian(densities, reference, *stored.density, options)
        elif reference:
            made, pairs = _from_runs(densities, reference, options)
        else:
            raise LamplighterError(
                "Q needs a reference for the density: npt runs or a file (--reference), or --reference-density MEAN STD"
            )
    except ValueError as problem:
        raise LamplighterError(f"P(ρ): {problem}") from None
    if stored.noise is not None:
        return made, stored.noise
    if not pairs:
        notes.append("one reference alone says nothing of the noise between references: 0 was taken (or give --noise)")
    return made, float(np.mean(pairs)) if pairs else 0.0


def _from_runs(
    densities: dict[Path, RunDensity], reference: list[RunDensity], options: QualityOptions
) -> tuple[dict[Path, float], list[float]]:
    others = [each.production for each in reference]
    edges = common_edges([*(each.production for each in densities.values()), *others], options.bin_width)
    made = {folder: divergence([run.production], others, edges).value for folder, run in densities.items()}
    return made, _between([counts_of(each, edges) for each in others])


def _from_gaussian(
    densities: dict[Path, RunDensity], reference: list[RunDensity], mean: float, width: float, options: QualityOptions
) -> tuple[dict[Path, float], list[float]]:
    """From a normal distribution; runs of a reference, where there are any, say how much references differ."""
    ends = np.array([mean - 5.0 * width, mean + 5.0 * width])  # so that the grid covers it
    others = [each.production for each in reference]
    samples = [*(each.production for each in densities.values()), *others]
    edges = common_edges(samples or [ends], options.bin_width)
    edges = common_edges([*samples, ends], float(edges[1] - edges[0]))
    made = {
        folder: kl_divergence(
            probabilities([run.production], edges), _gaussian(edges, mean, width, len(run.production))
        )
        for folder, run in densities.items()
    }
    return made, _between([counts_of(each, edges) for each in others])


def _from_distribution(
    densities: dict[Path, RunDensity], stored: StoredDistribution, options: QualityOptions, notes: list[str]
) -> tuple[dict[Path, float], list[float]]:
    """On the grid of the file, which is widened where a run leaves it."""
    if options.bin_width is not None and not math.isclose(options.bin_width, stored.width, rel_tol=1e-6):
        raise LamplighterError(
            f"--bin {options.bin_width:g}: {stored.path} has bins of {stored.width:g} g/cm³, which count for both; "
            "leave --bin out"
        )
    require_same_system([(stored.path, stored.system), *((run.folder, run.system) for run in densities.values())])
    for run in densities.values():
        _note_temperature(run.folder, run.temperature.value, stored, notes)
    edges = widened(stored.edges, [each.production for each in densities.values()])
    before = round((float(stored.edges[0]) - float(edges[0])) / stored.width)
    after = len(edges) - len(stored.edges) - before
    counts = [np.pad(each, (before, after)) for each in stored.counts]
    reference = probabilities_of_counts(counts)
    made = {
        folder: kl_divergence(probabilities([run.production], edges), reference) for folder, run in densities.items()
    }
    return made, _between(counts)


def _between(runs: list[Floats]) -> list[float]:
    """D_KL of each pair of runs, of which the counts in each bin are given."""
    made = [probabilities_of_counts([each]) for each in runs]
    return [kl_divergence(one, other) for one in made for other in made if one is not other]


def _gaussian(edges: Floats, mean: float, width: float, n_samples: int) -> Floats:
    """Bins of a normal distribution, with the same pseudo-count as a histogram of `n_samples`."""
    exact = np.diff(norm.cdf(edges, mean, width))
    smooth = exact / exact.sum() * n_samples + PSEUDO_COUNT
    return np.asarray(smooth / smooth.sum())


def _diffusivity(run: Run, options: QualityOptions) -> TrajectoryDiffusivity:
    wanted = replace(options.diffusivity, own_viscosity=False)  # both sides are of one cell
    return diffusivity_of_run(run, None, wanted)


def _note_temperature(
    folder: Path, temperature: float | None, stored: StoredDistribution | StoredDiffusivity, notes: list[str]
) -> None:
    if temperature is None or stored.temperature is None:
        return
    if abs(temperature - stored.temperature) > MOST_TEMPERATURES_APART * stored.temperature:
        notes.append(
            f"{folder.name} is at {temperature:.4g} K, and {stored.path} at {stored.temperature:.4g} K: Q compares "
            "states that differ"
        )


def _same_molecules(stored: StoredDiffusivity, motions: dict[Path, TrajectoryDiffusivity]) -> None:
    for folder, motion in motions.items():
        if motion.system != stored.molecules:
            raise LamplighterError(
                f"the reference {stored.path} has the molecules {stored.molecules}, and {folder} has {motion.system}"
            )


def _stable(run: RunLifetime, options: QualityOptions) -> bool:
    return run.time_ps >= options.horizon_ps * (1.0 - 1e-9)


def _same_formula(runs: Sequence[RunLifetime]) -> None:
    require_same_system((run.folder, run.system) for run in runs)
