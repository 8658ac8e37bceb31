"""Mean squared displacement by Fourier transforms: Lamplighter's and tidynamics' (MDAnalysis' `fft=True`).

    python benchmarks/analysis.py                                # 100 000 frames of 432 molecules, and half of them
    python benchmarks/analysis.py --frames 20000 --molecules 50
    python benchmarks/analysis.py --trajectory 1 4               # whole analyses of dumps of 1 and 4 GB instead

Both sides compute the same from the same random walk, in turn, in one process; Lamplighter uses the cores that it is
given (`taskset -c 0` for one), tidynamics (pip) one. Printed: seconds of each turn (wall and CPU), the ratio of each
pair, their largest relative difference, and how the cost grows with the number of frames.

With --trajectory, dumps of such sizes (640 atoms, 48 molecules a frame), the smallest first, are written to a temporary
folder, and `lamplighter diffusivity` analyses each in a process of its own: wall and CPU time, and its largest resident
memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tidynamics
from ase.data import chemical_symbols

from lamplighter.analysis.centres_of_mass import molecules_of
from lamplighter.analysis.displacement import mean_squared_displacement
from lamplighter.analysis.stability import bonds_by_distance
from lamplighter.analysis.whole_molecules import whole_molecules
from lamplighter.structures.xyz_file import XyzFile

LIQUID = Path(__file__).parents[1] / "examples" / "ec_emc" / "structures" / "ec_emc_640.xyz"


def theirs(positions: np.ndarray) -> np.ndarray:
    """As MDAnalysis' EinsteinMSD does: one particle after the other, then their mean."""
    total = np.zeros(len(positions))
    for particle in range(positions.shape[1]):
        total += tidynamics.msd(positions[:, particle])
    return total / positions.shape[1]


def write_dump(path: Path, gigabytes: float) -> int:
    """A LAMMPS dump of the example's liquid, whose molecules walk about as rigid bodies; returns how many frames."""
    rng = np.random.default_rng(0)
    (liquid,) = XyzFile(LIQUID)
    pairs, _ = bonds_by_distance(liquid.positions, liquid.numbers, liquid.cell, liquid.periodic)
    whole = whole_molecules(liquid.positions, pairs, liquid.cell, liquid.periodic)
    molecule = molecules_of(liquid).of_atom
    steps = 0.1 * rng.standard_normal((200, molecule.max() + 1, 3))
    walk = np.cumsum(steps - steps.mean(axis=0), axis=0)  # which repeats itself
    edges = "".join(f"0 {edge:.6f}\n" for edge in np.diag(liquid.cell))
    head = f"ITEM: NUMBER OF ATOMS\n{len(liquid)}\nITEM: BOX BOUNDS pp pp pp\n{edges}"
    head += "ITEM: ATOMS id type element xu yu zu\n"
    symbols = [chemical_symbols[number] for number in liquid.numbers]
    bodies = []
    for away in walk:
        rows = whole + away[molecule] + 0.02 * rng.standard_normal(whole.shape)
        lines = [f"{k + 1} 1 {symbols[k]} {x:.5f} {y:.5f} {z:.5f} \n" for k, (x, y, z) in enumerate(rows)]
        bodies.append((head + "".join(lines)).encode())
    size, n_frames = 0, 0
    with path.open("wb") as file:
        while size < gigabytes * 1e9:
            size += file.write(f"ITEM: TIMESTEP\n{100 * n_frames}\n".encode() + bodies[n_frames % 200])
            n_frames += 1
    return n_frames


def whole_analysis(gigabytes: float) -> None:
    """Write, analyse and remove a dump; print what the analysis took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.dump"
        n_frames = write_dump(path, gigabytes)
        words = ["diffusivity", str(path), "--timestep", "1 fs", "--discard", "10 ps", "--block", "50 ps"]
        call = f"import sys; sys.argv = ['lamplighter'] + {words!r}; from lamplighter import cli; cli.main()"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", call], check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"{gigabytes:g} GB, {n_frames} frames: {wall:.1f} s, {cpu:.1f} s of CPU ({n_frames / cpu:.0f} frames "
            f"a second of it), at most {after.ru_maxrss / 1e6:.2f} GB of memory",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--molecules", type=int, default=432)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trajectory", type=float, nargs="+", metavar="GB")
    given = parser.parse_args()
    if given.trajectory:
        for size in given.trajectory:
            whole_analysis(size)
        return
    walk = np.random.default_rng(0).standard_normal((given.frames, given.molecules, 3))
    np.cumsum(walk, axis=0, out=walk)
    medians = []
    for n_frames in (given.frames // 2, given.frames):
        positions = walk[:n_frames]
        ratios, seconds = [], []
        for turn in range(given.repeats):
            before = time.process_time()
            began = time.perf_counter()
            ours = mean_squared_displacement(positions)
            between = time.perf_counter()
            cpu = time.process_time() - before
            other = theirs(positions)
            ended = time.perf_counter()
            seconds.append(between - began)
            ratios.append((ended - between) / (between - began))
            print(
                f"{n_frames} frames, turn {turn}: lamplighter {between - began:.2f} s ({cpu:.2f} of CPU), tidynamics "
                f"{ended - between:.2f} s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
        medians.append(statistics.median(seconds))
        apart = float(np.max(np.abs(ours[1:] - other[1:]) / other[1:]))
        print(f"largest relative difference {apart:.1e}")
    print(f"twice the frames cost {medians[1] / medians[0]:.2f} times as much")


if __name__ == "__main__":
    main()
