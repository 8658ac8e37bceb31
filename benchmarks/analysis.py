"""Mean squared displacement by Fourier transforms: Lamplighter's and tidynamics' (MDAnalysis' `fft=True`).

    python benchmarks/analysis.py                                # 100 000 frames of 432 molecules, and half of them
    python benchmarks/analysis.py --frames 20000 --molecules 50

Both sides compute the same from the same random walk, in turn, in one process on one thread; needs tidynamics (pip).
Printed: seconds of each turn, the ratio of each pair, their largest relative difference, and how the cost grows with
the number of frames.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import tidynamics

from lamplighter.analysis.displacement import mean_squared_displacement


def theirs(positions: np.ndarray) -> np.ndarray:
    """As MDAnalysis' EinsteinMSD does: one particle after the other, then their mean."""
    total = np.zeros(len(positions))
    for particle in range(positions.shape[1]):
        total += tidynamics.msd(positions[:, particle])
    return total / positions.shape[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--molecules", type=int, default=432)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    walk = np.random.default_rng(0).standard_normal((given.frames, given.molecules, 3))
    np.cumsum(walk, axis=0, out=walk)
    medians = []
    for n_frames in (given.frames // 2, given.frames):
        positions = walk[:n_frames]
        ratios, seconds = [], []
        for turn in range(given.repeats):
            began = time.perf_counter()
            ours = mean_squared_displacement(positions)
            between = time.perf_counter()
            other = theirs(positions)
            ended = time.perf_counter()
            seconds.append(between - began)
            ratios.append((ended - between) / (between - began))
            print(
                f"{n_frames} frames, turn {turn}: lamplighter {between - began:.2f} s, tidynamics "
                f"{ended - between:.2f} s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
        medians.append(statistics.median(seconds))
        apart = float(np.max(np.abs(ours[1:] - other[1:]) / other[1:]))
        print(f"largest relative difference {apart:.1e}")
    print(f"twice the frames cost {medians[1] / medians[0]:.2f} times as much")


if __name__ == "__main__":
    main()
