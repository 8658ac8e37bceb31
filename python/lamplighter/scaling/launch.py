"""Starting a program on so many ranks from a process without MPI, and ending it: in time, or at Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter import launcher
from lamplighter.cluster import allocation
from lamplighter.driver.environment import cores_of_this_node
from lamplighter.errors import EnvironmentProblem, LamplighterError

GRACE_S = 5.0
"""What a program gets to end by itself after SIGTERM."""

_POLL_S = 0.05
_SHOWN = 1500


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        status: Its exit status; None: it was ended at its limit.
        seconds: That it took.
        output: The end of what it printed.
    """

    status: int | None
    seconds: float
    output: str


def in_allocation() -> bool:
    """Whether this process is in an allocation of Slurm of several nodes, on which `srun` starts ranks."""
    return "SLURM_JOB_ID" in os.environ and allocation.nodes_of_job() > 1 and shutil.which("srun") is not None


def cores() -> int:
    """Cores that ranks may have: of the allocation, or of this process."""
    given = allocation.cores_of_nodes()
    if in_allocation():
        tasks = os.environ.get("SLURM_NTASKS", "")
        if tasks.isdigit():
            return int(tasks)
        if given is not None:
            return given * allocation.nodes_of_job()
    return cores_of_this_node()


def command_for(ranks: int, program: Sequence[str], given: str | None = None) -> list[str]:
    """The command line that starts a program on ranks.

    Args:
        ranks: How many.
        program: Its words.
        given: A launcher in the user's words, in which `{ranks}` stands for the number.

    Raises:
        LamplighterError: the launcher that the user gave lacks `{ranks}`.
        EnvironmentProblem: there is no mpirun.
    """
    if given is not None:
        if "{ranks}" not in given:
            raise LamplighterError(f"--launcher {given!r} must hold {{ranks}}, e.g. 'srun --mpi=pmi2 -n {{ranks}}'")
        return [*shlex.split(given.replace("{ranks}", str(ranks))), *program]
    if in_allocation():
        return ["srun", "--mpi=pmi2", "-n", str(ranks), *program]
    if ranks == 1:
        return list(program)
    return [launcher.mpirun(), "-n", str(ranks), *program]


def run(command: Sequence[str], folder: Path, limit_s: float) -> Ended:
    """Run a command in a folder until it ends, or for `limit_s`; none of its processes are left, whatever happens.

    Raises:
        EnvironmentProblem: it cannot be started.
    """
    began = time.monotonic()
    said = folder / "output.txt"
    with said.open("wb") as file:
        try:
            process = subprocess.Popen(
                list(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=launcher.without_launcher(), start_new_session=True,
            )  # fmt: skip
        except OSError as problem:
            raise EnvironmentProblem(f"{command[0]} cannot be started: {problem.strerror or problem}") from problem
        status: int | None = None
        try:
            status = process.wait(timeout=max(limit_s, _POLL_S))
        except subprocess.TimeoutExpired:
            pass
        finally:
            _end(process)
    text = said.read_text(encoding="utf-8", errors="replace").strip()
    return Ended(status, time.monotonic() - began, text[-_SHOWN:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all processes of the group: mpirun hands SIGTERM to its ranks, and what is deaf to it is killed."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
