"""What is measured of a generation: errors over fixed sets and over frames of its own runs, and how its runs ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.analysis.bootstrap import resampling
from lamplighter.analysis.committee_calibration import (
    error_over_variance,
    force_variances,
    rank_correlation,
    squared_errors,
)
from lamplighter.analysis.model_errors import label_arrays
from lamplighter.errors import LamplighterError
from lamplighter.learning.learning import MeanErrors, OverModels, RunOutcome
from lamplighter.observables.lifetime import lifetime_of_run
from lamplighter.observables.model_errors import error_table
from lamplighter.run_folder.run import Run
from lamplighter.structures.labels import Labels
from lamplighter.training.member import Member, SetErrors

Predict = Callable[[Path, Sequence[Atoms]], list[Labels]]
"""What a model file says of frames."""


@dataclass(frozen=True)
class Judged:
    """What models say of frames that are labelled.

    Attributes:
        errors: Means over the models.
        squared: Squared error of the force on each atom by the model that drives, eV²/Å², shape (A,).
        variances: Of the force on each atom over the models, eV²/Å², shape (A,).
    """

    errors: MeanErrors
    squared: np.ndarray
    variances: np.ndarray

    @property
    def calibration(self) -> float:
        """As `error_over_variance`."""
        return error_over_variance(self.squared, self.variances)

    @property
    def correlation(self) -> float:
        """As `rank_correlation`."""
        return rank_correlation(self.squared, self.variances)


def judged(models: Sequence[Path], frames: Sequence[Atoms], labels: Sequence[Labels], predict: Predict) -> Judged:
    """Hold models against labels.

    Args:
        models: The first drives.
        frames: Structures.
        labels: Of each.
        predict: What a model says of frames.
    """
    reference = label_arrays(labels)
    numbers = np.concatenate([atoms.numbers for atoms in frames])
    drawn = resampling(len(reference), resamples=1)  # the spread over models is the error bar here
    said = [label_arrays(predict(model, frames)) for model in models]
    tables = [error_table(each, reference, numbers, drawn) for each in said]
    sets = [SetErrors.of_table(len(frames), each) for each in tables]
    return Judged(_means(sets), squared_errors(said[0], reference), force_variances(said))


def errors_of_sets(members: Sequence[Member]) -> dict[str, MeanErrors]:
    """Means over the models of a training, by set."""
    names = dict.fromkeys(name for each in members for name in each.errors)
    return {name: _means([each.errors[name] for each in members if name in each.errors]) for name in names}


def _means(sets: Sequence[SetErrors]) -> MeanErrors:
    stresses = [each.stress for each in sets if each.stress is not None]
    shifts = [each.energy_shift for each in sets if each.energy_shift is not None]
    return MeanErrors(
        sets[0].frames,
        over_models([each.energy for each in sets]),
        over_models([each.forces for each in sets]),
        [over_models(list(each)) for each in zip(*(each.components for each in sets), strict=True)],
        over_models(stresses) if stresses else None,
        over_models(shifts) if shifts else None,
    )


def outcome_of(run: Run, largest_uncertainty: float) -> tuple[RunOutcome, list[str]]:
    """How a run ended, and what limits that.

    Args:
        run: That came to an end.
        largest_uncertainty: Of its frames that could be selected.
    """
    guard = run.guard
    ended_by = "" if run.status != "stopped" or guard is None else guard.criterion or ""
    density = _density(run)
    try:
        lifetime = lifetime_of_run(run)
    except LamplighterError as problem:
        return RunOutcome(run.name, float("nan"), False, ended_by, largest_uncertainty, density), [str(problem)]
    return RunOutcome(run.name, lifetime.time_ps, lifetime.failed, ended_by, largest_uncertainty, density), []


def _density(run: Run) -> float:
    last = next((stage for stage in reversed(run.stages) if not stage.is_minimisation), None)
    if last is None or last.type != "npt":
        return float("nan")
    values = run.thermo["density_g_cm3"][run.thermo["stage"] == last.index]
    half = values[len(values) // 2 :]
    return float(half.mean()) if len(half) else float("nan")


def over_models(values: Sequence[float]) -> OverModels:
    """Mean and spread of one number of each model."""
    return OverModels(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"))
