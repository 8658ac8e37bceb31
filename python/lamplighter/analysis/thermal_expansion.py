"""Thermal expansion: the slope of ρ(T) at constant pressure.

ρ(T) = ρ₀ + s (T − T₀) by weighted least squares, α_V = −s/ρ₀ at T₀, the weighted mean temperature, where ρ₀ and s are
uncorrelated. P. R. Bevington, D. K. Robinson, Data Reduction and Error Analysis, 3rd ed. (2003), chapter 6. Written
out in `docs/how_to/equation_of_state.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from lamplighter.analysis.series import Estimate
from lamplighter.analysis.tait import IMPROBABLE
from lamplighter.arrays import Floats

METHOD = "weighted least-squares line; error from the errors of the densities"
METHOD_UNWEIGHTED = "unweighted least-squares line; error from the scatter about it"


@dataclass(frozen=True)
class ExpansionLine:
    """The line through densities at several temperatures.

    Attributes:
        temperatures: K, shape (n,).
        densities, errors: g/cm³, shape (n,); an error is nan where there is none.
        slope: dρ/dT, g/cm³/K.
        expansion: α_V, 1/K, at `temperature`.
        temperature: T₀, K.
        density: ρ₀ of the line at T₀, g/cm³.
        chi_squared: Σ ((ρ − line)/σ)²; nan without weights.
        degrees_of_freedom: Temperatures less two.
        probability: That χ² is at least this large if line and errors are right; nan where it cannot be told.
        notes: What limits the numbers.
    """

    temperatures: Floats
    densities: Floats
    errors: Floats
    slope: Estimate
    expansion: Estimate
    temperature: float
    density: Estimate
    chi_squared: float
    degrees_of_freedom: int
    probability: float
    notes: list[str] = field(default_factory=list)

    def density_at(self, temperatures: ArrayLike) -> tuple[Floats, Floats]:
        """The line and its standard error, g/cm³, shape (m,); `temperatures` in K."""
        away = np.atleast_1d(np.asarray(temperatures, dtype=np.float64)) - self.temperature
        error = np.hypot(self.density.standard_error, self.slope.standard_error * away)
        return self.density.value + self.slope.value * away, error


def thermal_expansion(temperatures: ArrayLike, densities: Sequence[Estimate]) -> ExpansionLine:
    """Fit the line with the errors of the densities as weights.

    Args:
        temperatures: K, shape (n,).
        densities: Mean densities, g/cm³, with standard errors. Where one has none, all weigh alike and errors come from
            the scatter about the line (three temperatures or more), with a note.

    Raises:
        ValueError: fewer than two different temperatures, or densities that are not finite and positive.
    """
    t = np.asarray(temperatures, dtype=np.float64)
    rho = np.array([each.value for each in densities], dtype=np.float64)
    errors = np.array([each.standard_error for each in densities], dtype=np.float64)
    _check(t, rho)
    notes: list[str] = []
    weighted = bool((np.isfinite(errors) & (errors > 0.0)).all())
    weights = errors**-2 if weighted else np.ones_like(rho)
    centre = float(weights @ t / weights.sum())
    spread = float(weights @ (t - centre) ** 2)
    mean = float(weights @ rho / weights.sum())
    slope = float(weights @ ((t - centre) * (rho - mean)) / spread)
    chi_squared = float(weights @ (rho - mean - slope * (t - centre)) ** 2)
    freedom = len(t) - 2
    factor, probability, note = 1.0, math.nan, ""
    if weighted and freedom > 0:
        probability = float(chi2.sf(chi_squared, freedom))
        if probability < IMPROBABLE:
            factor = chi_squared / freedom
            notes.append(
                f"χ² = {chi_squared:.3g} for {freedom} degrees of freedom is improbable ({probability:.1g}): ρ(T) is "
                "curved, or equilibration is too short; errors are widened accordingly"
            )
    elif not weighted:
        lacking = int((~np.isfinite(errors)).sum())
        factor = chi_squared / freedom if freedom > 0 else math.nan
        note = "" if freedom > 0 else "two temperatures without error bars"
        notes.append(
            f"{lacking} of {len(rho)} densities have no error bar, so all weigh alike and errors come from the scatter "
            "about the line: simulate longer"
        )
    error_of_mean, error_of_slope = math.sqrt(factor / weights.sum()), math.sqrt(factor / spread)
    alpha = -slope / mean
    error_of_alpha = math.hypot(error_of_slope / mean, alpha * error_of_mean / mean)
    method = METHOD if weighted else METHOD_UNWEIGHTED
    n = len(t)

    def estimate(value: float, error: float, unit: str) -> Estimate:
        return Estimate(value, error, unit, method, n, 1.0, float(n), note)

    return ExpansionLine(
        temperatures=t,
        densities=rho,
        errors=errors,
        slope=estimate(slope, error_of_slope, "g/cm³/K"),
        expansion=estimate(alpha, error_of_alpha, "1/K"),
        temperature=centre,
        density=estimate(mean, error_of_mean, "g/cm³"),
        chi_squared=chi_squared if weighted else math.nan,
        degrees_of_freedom=freedom,
        probability=probability,
        notes=notes,
    )


def _check(t: Floats, rho: Floats) -> None:
    if t.ndim != 1 or t.shape != rho.shape:
        raise ValueError(f"temperatures and densities must be of one length, got {t.shape} and {rho.shape}")
    bad = np.flatnonzero(~(np.isfinite(rho) & (rho > 0.0) & np.isfinite(t)))
    if len(bad):
        raise ValueError(f"the density at {t[bad[0]]:g} K must be finite and > 0 g/cm³, got {rho[bad[0]]:g}")
    if len(np.unique(t)) < 2:
        raise ValueError(f"a slope needs at least two different temperatures, got {t[0]:g} K alone")
