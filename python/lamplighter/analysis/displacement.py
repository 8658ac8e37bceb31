"""Mean squared displacement and velocity autocorrelation of particles, over all time origins, by Fourier transforms.

Sources:
    V. Calandrini, E. Pellegrini, P. Calligari, K. Hinsen, G. R. Kneller, Collection SFN 12, 201 (2011),
    doi:10.1051/sfn/201112010 (the algorithm).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float64]

_CHUNK_BYTES = 64 << 20


def mean_squared_displacement(positions: Floats, n_lags: int | None = None) -> Floats:
    """⟨|r(t₀ + t) − r(t₀)|²⟩ over all origins t₀ and all particles.

    Cost T log T a particle. The power spectra of all particles are summed before they are transformed back, so one
    inverse transform serves them all.

    Args:
        positions: Shape (T, n, 3), unwrapped, in any unit of length.
        n_lags: How many lags (from 0 on) are wanted; None: all T.

    Returns:
        Shape (n_lags,), in the square of that unit; lag 0 is 0.

    Raises:
        ValueError: `positions` has another shape, or no frame or particle.
    """
    n_frames, n_particles, n_lags = _shape(positions, n_lags)
    squares = np.zeros(n_frames)
    products = np.zeros(n_lags)
    for chunk in _chunks(positions, n_frames + n_lags):
        chunk -= chunk.mean(axis=1, keepdims=True)
        squares += np.einsum("it,it->t", chunk, chunk)
        products += _lagged_products(chunk, n_lags)
    # Σ r²(k) + r²(k + m) over the origins k = 0 … T − m − 1
    total = np.concatenate([[0.0], np.cumsum(squares)])
    lags = np.arange(n_lags)
    sums = total[n_frames - lags] + total[n_frames] - total[lags]
    result = (sums - 2.0 * products) / ((n_frames - lags) * n_particles)
    result[0] = 0.0
    return result


def velocity_autocorrelation(velocities: Floats, n_lags: int | None = None) -> Floats:
    """⟨v(t₀)·v(t₀ + t)⟩ over all origins and all particles.

    Args:
        velocities: Shape (T, n, 3).
        n_lags: As in `mean_squared_displacement`.

    Returns:
        Shape (n_lags,), in the square of the unit of `velocities`.

    Raises:
        ValueError: as `mean_squared_displacement`.
    """
    n_frames, n_particles, n_lags = _shape(velocities, n_lags)
    products = np.zeros(n_lags)
    for chunk in _chunks(velocities, n_frames + n_lags):
        products += _lagged_products(chunk, n_lags)
    return products / ((n_frames - np.arange(n_lags)) * n_particles)


def _lagged_products(rows: Floats, n_lags: int) -> Floats:
    """Σ_rows Σ_k x(k) x(k + m) for m = 0 … n_lags − 1; rows of shape (c, T)."""
    size = fft.next_fast_len(rows.shape[1] + n_lags, real=True)
    spectrum = fft.rfft(rows, size, axis=1)
    power = np.einsum("if,if->f", spectrum.real, spectrum.real) + np.einsum("if,if->f", spectrum.imag, spectrum.imag)
    return np.asarray(fft.irfft(power, size)[:n_lags])


def _chunks(values: Floats, width: int) -> Iterator[Floats]:
    """Some particles at a time as rows of their own (components of particles, T), so that memory stays bounded."""
    step = max(1, _CHUNK_BYTES // (3 * 16 * width))
    for first in range(0, values.shape[1], step):
        part = values[:, first : first + step]
        yield np.array(part.reshape(len(part), -1).T, dtype=np.float64, order="C")


def _shape(values: Floats, n_lags: int | None) -> tuple[int, int, int]:
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise ValueError(f"expected shape (T, n, 3) with T, n ≥ 1, got {values.shape}")
    n_frames, n_particles = values.shape[:2]
    return n_frames, n_particles, n_frames if n_lags is None else min(n_lags, n_frames)
