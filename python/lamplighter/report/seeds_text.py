"""Spread over seeds, beside a mean, as text."""

from __future__ import annotations

import math

from lamplighter.analysis.seed_sensitivity import SeedSensitivity
from lamplighter.report.text import format_with_error


def format_seeds(found: SeedSensitivity, unit: str, factor: float = 1.0) -> str:
    """The spread, and what of it the errors of single runs do not explain.

    Args:
        found: In its own unit.
        unit: What it is written in.
        factor: From the one to the other.
    """
    spread = format_with_error(found.spread.value * factor, found.spread.standard_error * factor, unit)
    if not math.isfinite(found.noise):
        return f"{spread} (how much of it is noise is not known: a run has no error bar)"
    return (
        f"{spread}; {found.noise * factor:.2g} of noise within runs, {found.beyond_noise * factor:.2g} beyond it "
        f"(p = {found.p_value:.2g} that the runs are alike)"
    )
