"""What it costs ranks to wait for each other, though each has a core and as much to do: the unevenness of the machine.

    mpirun -n 2 python benchmarks/waiting.py --turns 7

Every rank multiplies the same matrices again and again, with and without a barrier after each product, in turns. The
ratio is what a program that waits for its neighbours once in so many milliseconds loses, however little it has to say.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
from mpi4py import MPI
from results import Spread

SECONDS_A_TURN = 0.5


def seconds(size: int, times: int, *, with_barrier: bool) -> float:
    """The mean time of a product, the slowest rank's."""
    comm = MPI.COMM_WORLD
    a = np.full((size, size), 1.0 / size, dtype=np.float32)
    out = np.empty_like(a)
    np.dot(a, a, out=out)
    comm.Barrier()
    begun = time.perf_counter()
    for _ in range(times):
        np.dot(a, a, out=out)
        if with_barrier:
            comm.Barrier()
    return float(comm.allreduce(time.perf_counter() - begun, op=MPI.MAX)) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=(160, 260, 400, 620, 960), help="rows of the matrices")
    parser.add_argument("--turns", type=int, default=7)
    given = parser.parse_args()
    comm = MPI.COMM_WORLD
    if comm.rank == 0:
        print(f"{comm.size} ranks\n\n| between two barriers, ms | barrier / none |\n|---|---|", flush=True)
    for size in given.sizes:
        times = max(10, int(SECONDS_A_TURN / float(comm.bcast(seconds(size, 20, with_barrier=False)))))
        turns = [[seconds(size, times, with_barrier=barrier) for barrier in (False, True)] for _ in range(given.turns)]
        ratio = Spread.of([waited / alone for alone, waited in turns])
        if comm.rank == 0:
            alone = Spread.of([1e3 * each[0] for each in turns])
            print(f"| {alone.median:.2f} | {ratio.text('{:.2f}'.format)} |", flush=True)


if __name__ == "__main__":
    main()
