"""Isothermal compressibility from the fluctuations of the volume at constant pressure.

κ_T = ⟨δV²⟩ / (k_B T ⟨V⟩); M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.5.
Written out in `docs/theory/density.md`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import constants

from lamplighter.analysis.series import Estimate, mean_with_error

METHOD = "volume fluctuations, ⟨δV²⟩/(k_B T ⟨V⟩); error from the autocorrelation of δV² (Wolff 2004)"


def compressibility(volumes: ArrayLike, temperature: float) -> Estimate:
    """κ_T in 1/Pa with its standard error.

    The variance about the sample's own mean is too small by 1 − 1/N_eff, N_eff the independent samples of V; that is
    mended. The error is that of the mean of δV², in which neighbouring samples are correlated.

    Args:
        volumes: Å³, at equal intervals of an equilibrated run at constant pressure, shape (N,).
        temperature: K, > 0.

    Returns:
        The estimate; value and error are nan, with a note, where the volumes do not resolve their own correlation time.

    Raises:
        ValueError: the temperature is not positive, or `volumes` is not one-dimensional.
    """
    if not (temperature > 0.0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be > 0 K, got {temperature:g}")
    mean = mean_with_error(volumes, "Å³")
    if mean.note:
        return replace(mean, value=math.nan, standard_error=math.nan, unit="1/Pa", method=METHOD)
    squared = (np.asarray(volumes, dtype=np.float64) - mean.value) ** 2
    variance = mean_with_error(squared, "Å⁶")
    factor = 1e-30 / (constants.k * temperature * mean.value) / (1.0 - 1.0 / mean.n_effective)
    return replace(
        variance,
        value=variance.value * factor,
        standard_error=variance.standard_error * factor,
        unit="1/Pa",
        method=METHOD,
    )
