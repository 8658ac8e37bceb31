"""What is measured of a generation: errors over fixed sets and over frames of its own runs, and how its runs ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.analysis.committee_calibration import (
    error_over_variance,
    force_variances,
    rank_correlation,
    squared_errors,
)
from lamplighter.analysis.model_errors import label_arrays
from lamplighter.errors import LamplighterError
from lamplighter.learning.learning import MeanErrors, RunOutcome
from lamplighter.observables.lifetime import lifetime_of_run
from lamplighter.run_folder.run import Run
from lamplighter.structures.labels import Labels
from lamplighter.training.member import Member

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
    said = [label_arrays(predict(model, frames)) for model in models]
    energies = [_rmse(1e3 * (each.energies_per_atom - reference.energies_per_atom)) for each in said]
    forces = [_rmse(each.forces - reference.forces) for each in said]
    return Judged(_means(len(frames), energies, forces), squared_errors(said[0], reference), force_variances(said))


def errors_of_sets(members: Sequence[Member]) -> dict[str, MeanErrors]:
    """Means over the models of a training, by set."""
    sets = dict.fromkeys(name for each in members for name in each.errors)
    return {
        name: _means(
            members[0].errors[name].frames,
            [each.errors[name].energy for each in members],
            [each.errors[name].forces for each in members],
        )
        for name in sets
        if all(name in each.errors for each in members)
    }


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


def _means(frames: int, energies: Sequence[float], forces: Sequence[float]) -> MeanErrors:
    several = len(energies) > 1
    return MeanErrors(
        frames,
        float(np.mean(energies)),
        float(np.mean(forces)),
        float(np.std(energies, ddof=1)) if several else float("nan"),
        float(np.std(forces, ddof=1)) if several else float("nan"),
    )


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).mean()))
