"""Q of a committee's runs against reference runs or stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from lamplighter.analysis.distribution import PSEUDO_COUNT, common_edges, divergence, kl_divergence, probabilities
from lamplighter.analysis.quality import NptRun, NvtRun, Quality, quality
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError
from lamplighter.observables.density import RunDensity, density_of_run
from lamplighter.observables.diffusivity import DiffusivityOptions, diffusivity_of_run
from lamplighter.observables.lifetime import RunLifetime, lifetime_of_run
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.system import require_same_system


@dataclass(frozen=True)
class StoredReference:
    """Numbers of a reference that has no run folders here.

    Attributes:
        density: Mean and standard deviation of a Gaussian P(ρ), g/cm³; None: from runs.
        diffusivity: Å²/ps; None: from runs.
        noise: D_KL between references that differ in their seed; None: from runs, else 0.
    """

    density: tuple[float, float] | None = None
    diffusivity: float | None = None
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
    """

    ensemble: str
    lifetime: RunLifetime
    stable: bool
    density: float | None = None
    divergence: float | None = None
    diffusivity: float | None = None


@dataclass(frozen=True)
class QualityOfRuns:
    """Q with all that it was made from; `reference_diffusivity` in Å²/ps."""

    quality: Quality
    members: list[MemberRun]
    noise: float
    reference_diffusivity: float | None
    horizon_ps: float
    notes: list[str]


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

    moving = {
        run.folder: _diffusivity(given[run.folder], options)
        for run in lifetimes
        if ensembles[run.folder] == "nvt" and _stable(run, options)
    }
    reference_d = stored.diffusivity
    still = [run.folder for run in others if ensembles[run.folder] == "nvt"]
    if reference_d is None and still:
        reference_d = float(np.mean([_diffusivity(given[folder], options) for folder in still]))

    members = [
        MemberRun(
            ensembles[run.folder],
            run,
            _stable(run, options),
            densities[run.folder].mean.value if run.folder in densities else None,
            divergences.get(run.folder),
            moving.get(run.folder),
        )
        for run in lifetimes
    ]
    made = quality(
        [NptRun(m.lifetime.time_ps, m.lifetime.failed, m.divergence) for m in members if m.ensemble == "npt"],
        [NvtRun(m.lifetime.time_ps, m.lifetime.failed, m.diffusivity) for m in members if m.ensemble == "nvt"],
        noise,
        reference_d,
        options.horizon_ps,
    )
    return QualityOfRuns(made, members, noise, reference_d, options.horizon_ps, notes)


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
    if not reference and stored.density is None:
        raise LamplighterError(
            "Q needs a reference for the density: npt runs (--reference RUN) or --reference-density MEAN STD"
        )
    samples = [each.production for each in (*densities.values(), *reference)]
    if stored.density is not None:
        mean, width = stored.density
        samples.append(np.array([mean - 5.0 * width, mean + 5.0 * width]))  # so that the grid covers it
    try:
        edges = common_edges(samples[: len(samples) - (stored.density is not None)] or samples, options.bin_width)
        if stored.density is not None:
            edges = common_edges(samples, float(edges[1] - edges[0]))
        made = {folder: _divergence(run, reference, stored, edges) for folder, run in densities.items()}
        pairs = [
            divergence([one.production], [other.production], edges).value
            for one in reference
            for other in reference
            if one is not other
        ]
    except ValueError as problem:
        raise LamplighterError(f"P(ρ): {problem}") from None
    if stored.noise is not None:
        return made, stored.noise
    if not pairs:
        notes.append("one reference alone says nothing of the noise between references: 0 was taken (or give --noise)")
    return made, float(np.mean(pairs)) if pairs else 0.0


def _divergence(run: RunDensity, reference: list[RunDensity], stored: StoredReference, edges: Floats) -> float:
    if stored.density is None:
        return divergence([run.production], [each.production for each in reference], edges).value
    mean, width = stored.density
    return kl_divergence(probabilities([run.production], edges), _gaussian(edges, mean, width, len(run.production)))


def _gaussian(edges: Floats, mean: float, width: float, n_samples: int) -> Floats:
    """Bins of a normal distribution, with the same pseudo-count as a histogram of `n_samples`."""
    exact = np.diff(norm.cdf(edges, mean, width))
    smooth = exact / exact.sum() * n_samples + PSEUDO_COUNT
    return np.asarray(smooth / smooth.sum())


def _diffusivity(run: Run, options: QualityOptions) -> float:
    wanted = replace(options.diffusivity, own_viscosity=False)  # both sides are of one cell
    return diffusivity_of_run(run, None, wanted).mixture.einstein.value


def _stable(run: RunLifetime, options: QualityOptions) -> bool:
    return run.time_ps >= options.horizon_ps * (1.0 - 1e-9)


def _same_formula(runs: Sequence[RunLifetime]) -> None:
    require_same_system((run.folder, run.system) for run in runs)
