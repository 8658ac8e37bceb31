"""Series and motions whose truth is known."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter


def ar1(phi: float, n: int, seed: int) -> np.ndarray:
    """First-order autoregressive series with mean 0, variance 1 and g = (1 + φ)/(1 − φ)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n) * math.sqrt(1.0 - phi**2)
    noise[0] = rng.standard_normal()
    return lfilter([1.0], [1.0, -phi], noise)


def langevin_gas(
    n: int, n_frames: int, interval: float, friction: float, speed: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Free Langevin particles, exactly sampled: D = speed²/friction.

    The joint Gaussian of position and velocity after an interval: S. Chandrasekhar, Rev. Mod. Phys. 15, 1 (1943).

    Returns:
        Positions and velocities, each of shape (n_frames, n, 3); `speed` is sqrt(kT/m).
    """
    rng = np.random.default_rng(seed)
    c = math.exp(-friction * interval)
    covariance = speed**2 * np.array(
        [
            [(2 * friction * interval - 3 + 4 * c - c**2) / friction**2, (1 - c) ** 2 / friction],
            [(1 - c) ** 2 / friction, 1 - c**2],
        ]
    )
    factor = np.linalg.cholesky(covariance)
    noise = rng.standard_normal((2, n_frames, n, 3))
    shift, kick = factor[0, 0] * noise[0], factor[1, 0] * noise[0] + factor[1, 1] * noise[1]
    kick[0] = speed * rng.standard_normal((n, 3))  # the first velocity
    velocities = lfilter([1.0], [1.0, -c], kick, axis=0)
    steps = (1 - c) / friction * velocities[:-1] + shift[1:]
    positions = np.concatenate([np.zeros((1, n, 3)), np.cumsum(steps, axis=0)])
    return positions, velocities
