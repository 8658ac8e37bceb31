"""Isothermal compression: volumes of runs at several pressures, the Tait equation through them, and κ_T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lamplighter.analysis.tait import TaitFit, fit_tait
from lamplighter.errors import LamplighterError
from lamplighter.report.state_points import StatePoint, point_name, read_state_points, require_one


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
    folders: Sequence[Path], discard: float | Literal["auto"] | None = None, stages: Sequence[str] = ()
) -> CompressionOfRuns:
    """Read the stages of runs and fit the Tait equation to their volumes.

    Args: as `state_points.read_state_points`.

    Raises:
        LamplighterError: a run cannot be used, the stages are at several temperatures, or at fewer than four pressures.
    """
    found = read_state_points(folders, discard, stages)
    points = sorted(found.points, key=lambda point: point.pressure)
    where = ", ".join(str(folder) for folder in folders)
    if not points:
        raise LamplighterError(f"{where}: no stage at constant pressure has run")
    temperature = require_one([(point_name(each), each.temperature) for each in points], "temperature", "K")
    try:
        fit = fit_tait([point.pressure for point in points], [point.density.volume for point in points])
    except ValueError as problem:
        raise LamplighterError(f"{where}: {problem}") from None
    return CompressionOfRuns(points, temperature, fit, [*found.notes, *fit.notes])
