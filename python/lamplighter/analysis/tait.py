"""The Tait equation through volumes at several pressures: isothermal compressibility from a compression.

V(p) = V₀ [1 − C ln(1 + p/B)], κ_T(p→0) = C/B; Goodwin et al., Transferability and accuracy of ionic liquid simulations
with equivariant machine learning interatomic potentials; J. H. Dymond, R. Malhotra, Int. J. Thermophys. 9, 941 (1988).
Written out in `docs/how_to/equation_of_state.md`.

The fit is done in V₀, κ = C/B and b = 1/B, V = V₀ [1 − κ ln(1 + b p)/b]: where the data show no curvature, C and B grow
without bound, while κ and b = 0 stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.stats import chi2

from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats

FEWEST_PRESSURES = 4
"""Three parameters, and one pressure more to judge them by."""

IMPROBABLE = 0.01
"""Probability of χ² below which error bars are widened by sqrt(χ²/ν), with a note."""

METHOD = "Tait equation, weighted least squares; error from the covariance"
METHOD_UNWEIGHTED = "Tait equation, unweighted least squares; error from the scatter about the fit"

FARTHEST_VOLUME = 1.25
"""V₀ over the largest volume from which on p → 0 counts as far outside the data."""

MOST_APART = 2.0
"""Ratio of the two errors of κ_T from which on a note is made."""

_PA_PER_BAR = 1e5
N_BOOTSTRAP = 300
"""Fits of the bootstrap."""

_LEAST = 1e-3  # of 1 + b p
_SMALL = 1e-3  # of b p, below which the series of the logarithm is used
_FIRST_CURVATURES = (0.1, 1.0, 10.0)  # of b p_max, from which the search begins


@dataclass(frozen=True)
class TaitFit:
    """What a compression says.

    Attributes:
        pressures: bar, shape (n,).
        volumes, errors: Å³, shape (n,); an error is nan where there is none.
        volume: V₀, Å³.
        c: C, dimensionless; nan where the data show no curvature.
        b: B, bar; likewise.
        compressibility: κ_T(p→0) = C/B, 1/Pa.
        bootstrap_error: Standard error of κ_T(p→0) by a parametric bootstrap, 1/Pa.
        chi_squared: Σ ((V − V_fit)/σ)²; nan without weights.
        degrees_of_freedom: Pressures less parameters.
        probability: That χ² is at least this large if equation and errors are right; nan without weights.
        parameters: V₀ / Å³, κ / (1/bar) and b / (1/bar).
        covariance: Of these, shape (3, 3).
        notes: What limits the numbers.
    """

    pressures: Floats
    volumes: Floats
    errors: Floats
    volume: Estimate
    c: Estimate
    b: Estimate
    compressibility: Estimate
    bootstrap_error: float
    chi_squared: float
    degrees_of_freedom: int
    probability: float
    parameters: Floats
    covariance: Floats
    notes: list[str] = field(default_factory=list)

    def volume_at(self, pressures: ArrayLike) -> Floats:
        """V(p) of the fit, Å³; `pressures` in bar, shape (m,)."""
        return _volumes(self.parameters, np.atleast_1d(np.asarray(pressures, dtype=np.float64)))

    def compressibility_at(self, pressure: float) -> Estimate:
        """κ_T(p) = −(1/V) ∂V/∂p of the fit, 1/Pa; its error from the covariance. `pressure` in bar."""
        value = self._compressibility(self.parameters, pressure)
        gradient = np.zeros(3)
        for k in range(3):
            step = 1e-4 * math.sqrt(self.covariance[k, k])
            if step > 0.0:
                shift = np.eye(3)[k] * step
                both = [self._compressibility(self.parameters + sign * shift, pressure) for sign in (1, -1)]
                gradient[k] = (both[0] - both[1]) / (2.0 * step)
        error = math.sqrt(max(0.0, float(gradient @ self.covariance @ gradient)))
        return replace(self.compressibility, value=value / _PA_PER_BAR, standard_error=error / _PA_PER_BAR)

    @staticmethod
    def _compressibility(parameters: Floats, pressure: float) -> float:
        first, kappa, b = parameters
        return float(first * kappa / (1.0 + b * pressure) / _volumes(parameters, np.array([pressure]))[0])


def fit_tait(
    pressures: ArrayLike, volumes: Sequence[Estimate], n_bootstrap: int = N_BOOTSTRAP, seed: int = 1
) -> TaitFit:
    """Fit V(p) with the errors of the volumes as weights.

    Args:
        pressures: bar, shape (n,).
        volumes: Mean volumes, Å³, with standard errors. Where one has none, all weigh alike and the errors come from
            their scatter about the fit; a note says so.
        n_bootstrap: How often volumes are drawn from the fit with their errors and fitted again; the bootstrap's error
            is half the width of the central 68.3 % of their compressibilities. 0: no bootstrap.
        seed: Of these draws.

    Raises:
        ValueError: fewer than four different pressures, volumes that are not finite and positive, or volumes that do
            not shrink under pressure.
    """
    p = np.asarray(pressures, dtype=np.float64)
    v = np.array([each.value for each in volumes], dtype=np.float64)
    errors = np.array([each.standard_error for each in volumes], dtype=np.float64)
    _check(p, v)
    notes: list[str] = []
    weighted = bool((np.isfinite(errors) & (errors > 0.0)).all())
    sigma = errors if weighted else np.ones_like(v)
    parameters, covariance, chi_squared = _fit(p, v, sigma)
    freedom = len(p) - 3
    probability = float(chi2.sf(chi_squared, freedom)) if weighted else math.nan
    if not weighted:
        lacking = int((~np.isfinite(errors)).sum())
        notes.append(
            f"{lacking} of {len(v)} volumes have no error bar, so all weigh alike and errors come from the scatter "
            "about the fit: simulate longer"
        )
        sigma = np.full_like(v, math.sqrt(chi_squared / freedom))
        covariance = covariance * chi_squared / freedom
    elif probability < IMPROBABLE:
        covariance = covariance * chi_squared / freedom
        sigma = sigma * math.sqrt(chi_squared / freedom)
        notes.append(
            f"χ² = {chi_squared:.3g} for {freedom} degrees of freedom is improbable ({probability:.1g}): equilibration "
            "is too short, or the Tait equation does not hold; errors are widened accordingly"
        )
    if not parameters[1] > 0.0:
        raise ValueError(
            f"the volumes do not shrink under pressure (κ_T = {parameters[1] / _PA_PER_BAR:.3g} 1/Pa): there is no "
            "liquid, or production is too short"
        )
    errors_of = np.sqrt(np.diag(covariance))
    method = METHOD if weighted else METHOD_UNWEIGHTED
    n = len(p)

    def estimate(value: float, error: float, unit: str, note: str = "") -> Estimate:
        return Estimate(value, error, unit, method, n, 1.0, float(n), note)

    kappa, b = float(parameters[1]), float(parameters[2])
    note = ""
    if b <= errors_of[2]:
        note = "the volumes show no curvature: C and B are not determined, their ratio is"
        notes.append(note)
    gradient_of_c = np.array([0.0, 1.0 / b, -kappa / b**2]) if not note else np.zeros(3)
    bootstrap = _bootstrap(p, parameters, sigma, n_bootstrap, seed)
    if not 1.0 / MOST_APART < bootstrap / errors_of[1] < MOST_APART and n_bootstrap:
        notes.append("bootstrap and covariance disagree about the error of κ_T(p→0): take the larger one")
    if parameters[0] > FARTHEST_VOLUME * v.max():
        notes.append(
            f"the fit puts V₀ = {parameters[0]:.4g} Å³ far outside the data (largest {v.max():.4g} Å³): is there a "
            "liquid at p = 0? Add lower pressures; until then only κ_T at the pressures themselves means something"
        )
    return TaitFit(
        pressures=p,
        volumes=v,
        errors=errors,
        volume=estimate(float(parameters[0]), float(errors_of[0]), "Å³"),
        c=estimate(math.nan, math.nan, "", note)
        if note
        else estimate(kappa / b, math.sqrt(gradient_of_c @ covariance @ gradient_of_c), ""),
        b=estimate(math.nan, math.nan, "bar", note) if note else estimate(1.0 / b, float(errors_of[2]) / b**2, "bar"),
        compressibility=estimate(kappa / _PA_PER_BAR, float(errors_of[1]) / _PA_PER_BAR, "1/Pa"),
        bootstrap_error=bootstrap / _PA_PER_BAR,
        chi_squared=chi_squared if weighted else math.nan,
        degrees_of_freedom=freedom,
        probability=probability,
        parameters=parameters,
        covariance=covariance,
        notes=notes,
    )


def _check(p: Floats, v: Floats) -> None:
    if p.ndim != 1 or p.shape != v.shape:
        raise ValueError(f"pressures and volumes must be of one length, got {p.shape} and {v.shape}")
    bad = np.flatnonzero(~(np.isfinite(v) & (v > 0.0) & np.isfinite(p)))
    if len(bad):
        raise ValueError(f"the volume at {p[bad[0]]:g} bar must be finite and > 0 Å³, got {v[bad[0]]:g}")
    different = len(np.unique(p))
    if different < FEWEST_PRESSURES:
        raise ValueError(
            f"the Tait equation has three parameters and needs at least {FEWEST_PRESSURES} different pressures, got "
            f"{different}"
        )


def _logarithm(p: Floats, b: float) -> tuple[Floats, Floats]:
    """ln(1 + b p)/b and its derivative with respect to b; near b = 0 by their series.

    Where a search strays to 1 + b p ≤ 0, the logarithm is continued as a constant.
    """
    x = np.maximum(b * p, _LEAST - 1.0)
    if np.abs(x).max() < _SMALL:
        return p * (1.0 - x / 2.0 + x**2 / 3.0), p**2 * (-0.5 + 2.0 * x / 3.0 - 0.75 * x**2)
    logarithm = np.log1p(x) / b
    return logarithm, (p / (1.0 + x) - logarithm) / b


def _volumes(parameters: Floats, p: Floats) -> Floats:
    first, kappa, b = parameters
    return np.asarray(first * (1.0 - kappa * _logarithm(p, float(b))[0]))


def _fit(p: Floats, v: Floats, sigma: Floats, start: Floats | None = None) -> tuple[Floats, Floats, float]:
    """Parameters, their covariance for these errors, and χ². `start`: where the search begins; None: at several b."""
    scale = np.array([v.mean(), 1.0 / np.abs(p).max(), 1.0 / np.abs(p).max()])  # all parameters of the order of 1
    x = p * scale[1]

    def residuals(q: Floats) -> Floats:
        return (v - scale[0] * _volumes(q, x)) / sigma

    def jacobian(q: Floats) -> Floats:
        logarithm, slope = _logarithm(x, float(q[2]))
        columns = [1.0 - q[1] * logarithm, -q[0] * logarithm, -q[0] * q[1] * slope]
        return -scale[0] * np.stack(columns, axis=1) / sigma[:, None]

    if start is None:
        slope, first = np.polyfit(x, v / scale[0], 1)
        starts = [np.array([first, -slope / first, b]) for b in _FIRST_CURVATURES]
    else:
        starts = [start / scale]
    found = min(
        (least_squares(residuals, each, jac=jacobian, method="lm", xtol=1e-9, ftol=1e-9) for each in starts),
        key=lambda solution: solution.cost,
    )
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * np.outer(scale, scale)
    return found.x * scale, covariance, 2.0 * float(found.cost)


def _bootstrap(p: Floats, parameters: Floats, sigma: Floats, n: int, seed: int) -> float:
    """Half the width of the central 68.3 % of κ, 1/bar; nan without draws."""
    if n == 0:
        return math.nan
    rng = np.random.default_rng(seed)
    fitted = _volumes(parameters, p)
    drawn = fitted + sigma * rng.standard_normal((n, len(p)))
    kappas = [_fit(p, each, sigma, parameters)[0][1] for each in drawn]
    low, high = np.percentile(kappas, [15.865, 84.135])
    return float(high - low) / 2.0
