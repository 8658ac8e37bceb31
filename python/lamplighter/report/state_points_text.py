"""State points as rows of tables, for compression and thermal expansion alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamplighter.analysis.series import Estimate
from lamplighter.observables.state_points import StatePoint
from lamplighter.report.text import format_with_error

PER_PA = 1e10
PER_PA_UNIT = "×10⁻¹⁰ 1/Pa"

POINTS: dict[str, Any] = {"marker": ".", "linestyle": "none", "elinewidth": 1.0}
"""How points with error bars are drawn."""


def scaled(estimate: Estimate, factor: float = 1.0, unit: str = "") -> str:
    """Value and error of an estimate times a factor, without a unit in tables."""
    text = format_with_error(estimate.value * factor, estimate.standard_error * factor, unit).rstrip()
    return text.replace(" (no error bar)", " ± ?") if not unit else text


def discarded_ps(point: StatePoint) -> str:
    """What was left out of a stage and what is left, ps: `12 of 50`."""
    times = point.density.time_ps
    return f"{times[point.density.start]:.3g} of {times[-1]:.4g}"


def quality_of_fit(chi_squared: float, degrees_of_freedom: int, probability: float) -> str:
    """χ² in words; empty without weights or without degrees of freedom."""
    if not math.isfinite(chi_squared) or degrees_of_freedom < 1:
        return ""
    return f"χ² = {chi_squared:.3g} for {degrees_of_freedom} degrees of freedom (probability {probability:.2g})"


def bars(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error bars to draw: none where there is no error."""
    return np.where(np.isfinite(errors), errors, 0.0)
