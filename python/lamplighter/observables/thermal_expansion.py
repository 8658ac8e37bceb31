"""Thermal expansion: densities of runs at several temperatures and one pressure, and the line through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamplighter.analysis.thermal_expansion import ExpansionLine, thermal_expansion
from lamplighter.errors import LamplighterError
from lamplighter.observables.state_points import StatePoint, isobar
from lamplighter.run_folder.run import Run


@dataclass(frozen=True)
class ThermalExpansionOfRuns:
    """What the stages at several temperatures say together.

    Attributes:
        points: By temperature.
        pressure: bar.
        line: The slope and α_V.
        notes: What limits the numbers.
    """

    points: list[StatePoint]
    pressure: float
    line: ExpansionLine
    notes: list[str]


def thermal_expansion_of_runs(
    runs: Sequence[Run], discard: float | None = None, stages: Sequence[str] = ()
) -> ThermalExpansionOfRuns:
    """Fit a line to the densities of stages of runs.

    Args: as `state_points.state_points`.

    Raises:
        LamplighterError: a run cannot be used, the stages are at several pressures, or at one temperature alone.
    """
    found = isobar(runs, discard, stages)
    try:
        densities = [point.density.mean for point in found.points]
        line = thermal_expansion([point.temperature for point in found.points], densities)
    except ValueError as problem:
        raise LamplighterError(f"{found.source}: {problem}") from None
    return ThermalExpansionOfRuns(found.points, found.constant, line, [*found.notes, *line.notes])
