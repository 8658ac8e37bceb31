"""Isothermal compression: volumes of runs at several pressures, the Tait equation through them, and κ_T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamplighter.analysis.tait import TaitFit, fit_tait
from lamplighter.errors import LamplighterError
from lamplighter.observables.state_points import StatePoint, isotherm
from lamplighter.run_folder.run import Run


@dataclass(frozen=True)
class CompressionOfRuns:
    """What the stages at several pressures say together.

    Attributes:
        points: By pressure.
        temperature: K.
        fit: The Tait equation.
        notes: What limits the numbers.
    """

    points: list[StatePoint]
    temperature: float
    fit: TaitFit
    notes: list[str]


def compression_of_runs(
    runs: Sequence[Run], discard: float | None = None, stages: Sequence[str] = ()
) -> CompressionOfRuns:
    """Fit the Tait equation to the volumes of stages of runs.

    Args: as `state_points.state_points`.

    Raises:
        LamplighterError: a run cannot be used, the stages are at several temperatures, or at fewer than four pressures.
    """
    found = isotherm(runs, discard, stages)
    try:
        fit = fit_tait([point.pressure for point in found.points], [point.density.volume for point in found.points])
    except ValueError as problem:
        raise LamplighterError(f"{found.source}: {problem}") from None
    return CompressionOfRuns(found.points, found.constant, fit, [*found.notes, *fit.notes])
