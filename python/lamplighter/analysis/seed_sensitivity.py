"""How much a number depends on what should not matter: the seed, or the part of the data, of a model's training.

With values x_k of n models, each with its own standard error e_k:

    spread        s = sqrt( Σ (x_k − x̄)² / (n − 1) ),  its error s / sqrt(2 (n − 1)) for normal values
    noise         sqrt(⟨e_k²⟩): what s would be if all models were the same
    beyond noise  sqrt(max(0, s² − noise²)): the models' own spread (method of moments)
    p             of χ² = Σ (x_k − x̄_w)²/e_k² with n − 1 degrees of freedom, x̄_w the mean weighted with 1/e_k²

Sources: R. DerSimonian, N. Laird, Control. Clin. Trials 7, 177 (1986) (spread beyond the errors of single values);
Svahn et al., Limitations of cluster-trained MLIPs for liquid density and diffusivity (the question).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lamplighter.analysis.series import Estimate

METHOD_SPREAD = "standard deviation over models (n − 1); error s/√(2(n − 1))"


@dataclass(frozen=True)
class SeedSensitivity:
    """Spread of a number over models.

    Attributes:
        spread: Standard deviation over models with its error.
        noise: Root mean square of the single errors, in the same unit; nan where one is unknown.
        beyond_noise: What of the spread the errors do not explain; nan where `noise` is.
        p_value: Probability of such a spread if the models were the same; nan where `noise` is.
        n: Models.
    """

    spread: Estimate
    noise: float
    beyond_noise: float
    p_value: float
    n: int


def seed_sensitivity(values: Sequence[Estimate], independent: bool = True) -> SeedSensitivity | None:
    """Spread of a number over two models or more; None for fewer, or where a value is not finite.

    Args:
        values: One each model.
        independent: Whether the errors of the values are independent of each other. They are not where models were held
            against the same frames; the spread is then not compared with them.
    """
    x = np.array([each.value for each in values])
    n = len(x)
    if n < 2 or not np.isfinite(x).all():
        return None
    spread = float(x.std(ddof=1))
    unit = values[0].unit
    made = Estimate(spread, spread / math.sqrt(2.0 * (n - 1)), unit, METHOD_SPREAD, n, 1.0, float(n))
    e = np.array([each.standard_error for each in values])
    if not (independent and np.isfinite(e).all() and (e > 0.0).all()):
        return SeedSensitivity(made, math.nan, math.nan, math.nan, n)
    noise = math.sqrt(float(np.mean(e**2)))
    weighted = float(np.average(x, weights=e**-2.0))
    p_value = float(stats.chi2.sf(float((((x - weighted) / e) ** 2).sum()), n - 1))
    return SeedSensitivity(made, noise, math.sqrt(max(0.0, spread**2 - noise**2)), p_value, n)
