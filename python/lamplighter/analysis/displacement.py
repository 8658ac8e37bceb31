"""Mean squared displacement and velocity autocorrelation of particles, over all time origins, by Fourier transforms.

Sources:
    V. Calandrini, E. Pellegrini, P. Calligari, K. Hinsen, G. R. Kneller, Collection SFN 12, 201 (2011),
    doi:10.1051/sfn/201112010 (the algorithm).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import fft

from lamplighter.arrays import Floats

_CHUNK_BYTES = 32 << 20
"""Of particles that are transformed together, on each thread."""

_MOST_THREADS = 8
_FRAMES_A_TILE = 256  # of positions that are transposed at once, so that they stay in the cache


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
    squares, products = _summed(positions, n_lags, centred=True)
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
    products = _summed(velocities, n_lags, centred=False).products
    return products / ((n_frames - np.arange(n_lags)) * n_particles)


class _Sums(NamedTuple):
    """Over components of particles: x(k)² of each frame k, shape (T,), and Σ_k x(k) x(k + m), shape (n_lags,)."""

    squares: Floats
    products: Floats


def _summed(values: Floats, n_lags: int, centred: bool) -> _Sums:
    """Sums over all rows of `_chunks`, each row without its mean where `centred`; chunks are shared among threads.

    Chunks are added up in their order, so that the result does not depend on the number of threads.
    """
    n_frames = len(values)
    size = fft.next_fast_len(n_frames + n_lags, real=True)

    def of_chunk(particles: slice) -> tuple[Floats, Floats]:
        squares, power = np.zeros(n_frames), np.zeros(size // 2 + 1)
        for row in _as_rows(values[:, particles]):
            if centred:
                row -= row.mean()
            squares += row * row
            spectrum = fft.rfft(row, size).view(np.float64)
            spectrum *= spectrum
            power += spectrum[::2]
            power += spectrum[1::2]
        return squares, power

    squares, power = np.zeros(n_frames), np.zeros(size // 2 + 1)
    with ThreadPoolExecutor(min(_MOST_THREADS, len(os.sched_getaffinity(0)))) as threads:
        for one, other in threads.map(of_chunk, _chunks(values.shape[1], n_frames)):
            squares += one
            power += other
    return _Sums(squares, np.asarray(fft.irfft(power, size)[:n_lags]))


def _chunks(n_particles: int, n_frames: int) -> Iterator[slice]:
    """Some particles at a time, so that memory stays bounded."""
    step = max(1, _CHUNK_BYTES // (3 * 8 * n_frames))
    for first in range(0, n_particles, step):
        yield slice(first, first + step)


def _as_rows(values: Floats) -> Floats:
    """Values of shape (T, c, 3) as rows of their own (3c, T)."""
    columns = values.reshape(len(values), -1)
    rows = np.empty(columns.shape[::-1])
    for first in range(0, len(columns), _FRAMES_A_TILE):
        rows[:, first : first + _FRAMES_A_TILE] = columns[first : first + _FRAMES_A_TILE].T
    return rows


def _shape(values: Floats, n_lags: int | None) -> tuple[int, int, int]:
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise ValueError(f"expected shape (T, n, 3) with T, n ≥ 1, got {values.shape}")
    n_frames, n_particles = values.shape[:2]
    return n_frames, n_particles, n_frames if n_lags is None else min(n_lags, n_frames)
