"""How a program of several ranks ends when something goes wrong: at once, with one message, never hanging."""

from __future__ import annotations

import pickle
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from lamplighter import exit_status
from lamplighter.errors import Interrupted, LamplighterError, LauncherProblem, OutputLost, RunFolderBusy
from lamplighter.silence import last_words

AGREEMENT_S = 2.0
"""How long a failing rank waits to see whether all ranks failed with it."""

FORWARD_S = 0.5
"""What mpirun gets to hand on the last words of a rank before MPI_Abort ends it: it drops what it has not read."""

LOOK_AGAIN_S = 0.005
"""How often ranks that sleep look whether the first one is done."""


def ending(main: Callable[[], Any]) -> int:
    """Run `main` in a program of one process, and return the exit status: 0, or that of the exception that ended it.

    A `LamplighterError` is printed without a traceback, anything else with it.
    """
    try:
        status = main()
    except (KeyboardInterrupt, Exception) as problem:
        if type(problem).__module__.partition(".")[0] in ("click", "typer"):
            raise  # a word of the parser of options
        tell(problem)
        return status_of(problem)
    return status if isinstance(status, int) else exit_status.GOOD


def end_together(comm: Any, main: Callable[[], int]) -> int:
    """Run `main` on every rank and return the exit status of the program.

    A `LamplighterError` is printed without a traceback, anything else with it. If all ranks failed, rank 0 prints
    and every rank returns `status_of` it; if some did not, each failed rank prints and ends all ranks through MPI.
    """
    agreement = comm.Dup() if comm.Get_size() > 1 else None
    try:
        return main()
    except SystemExit as ended:
        if agreement is None or ended.code in (None, 0):
            raise
        status = ended.code if isinstance(ended.code, int) else 1
        if all_ranks_failed(agreement):
            return status
        end_all_ranks(comm, status)
        raise
    except BaseException as problem:
        status = status_of(problem)
        if agreement is None:
            tell(problem)
        elif all_ranks_failed(agreement):
            if comm.Get_rank() == 0:
                tell(problem)
        else:
            tell(problem, f"[rank {comm.Get_rank()} of {comm.Get_size()}] ")
            end_all_ranks(comm, status)
        return status


def end_all_ranks(comm: Any, status: int) -> None:
    """MPI_Abort, after what this rank has printed."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(FORWARD_S)
    comm.Abort(status)


def agree(comm: Any, action: Callable[[], Any]) -> Any:
    """Do something on rank 0 alone and give its result, or its exception, to all ranks.

    The result must be picklable.
    """
    result: Any = None
    problem: Exception | None = None
    if comm.Get_rank() == 0:
        try:
            result = action()
        except Exception as raised:
            problem = raised
    told = comm.bcast((result, None if problem is None else _portable(problem)), root=0)
    if problem is not None:
        raise problem
    if told[1] is not None:
        raise told[1]
    return told[0]


def agree_asleep(comm: Any, action: Callable[[], Any]) -> Any:
    """As `agree`, of something that takes long: the other ranks sleep, and leave the cores to it."""
    if comm.Get_size() == 1:
        return action()
    if comm.Get_rank() != 0:
        done = comm.Ibarrier()
        while not done.Test():
            time.sleep(LOOK_AGAIN_S)
        return agree(comm, lambda: None)
    result: Any = None
    problem: Exception | None = None
    try:
        result = action()
    except Exception as raised:
        problem = raised
    comm.Ibarrier().Wait()

    def give() -> Any:
        if problem is not None:
            raise problem
        return result

    return agree(comm, give)


def _portable(problem: Exception) -> Exception:
    """The exception itself if it can travel to other ranks, else one with its words."""
    try:
        pickle.loads(pickle.dumps(problem))
    except Exception:
        return RuntimeError(f"{type(problem).__name__}: {problem}")
    return problem


def all_ranks_failed(agreement: Any) -> bool:
    """Whether all ranks come here within `AGREEMENT_S`; called by those that failed."""
    request = agreement.Ibarrier()
    deadline = time.monotonic() + AGREEMENT_S
    while time.monotonic() < deadline:
        if request.Test():
            return True
        time.sleep(0.01)
    return False


def status_of(problem: BaseException) -> int:
    """That of a run which was interrupted; 130 for Ctrl-C, 1 for an error, 70 for a fault."""
    if isinstance(problem, KeyboardInterrupt):
        return exit_status.INTERRUPTED
    if isinstance(problem, Interrupted):
        return problem.status
    if isinstance(problem, RunFolderBusy):
        return exit_status.LATER
    if isinstance(problem, OutputLost):
        return exit_status.OUTPUT_LOST
    expected = isinstance(problem, LamplighterError) or _lacks_torch(problem)
    return exit_status.ERROR if expected else exit_status.FAULT


def tell(problem: BaseException, prefix: str = "") -> None:
    """Print it on standard error: a message, or a fault with its traceback."""
    if isinstance(problem, LauncherProblem) and problem.another_tells:
        time.sleep(AGREEMENT_S)  # a launcher may end all its processes with the first one
        return
    sys.stdout.flush()
    sys.stderr.flush()
    error = last_words() if prefix else sys.stderr
    if isinstance(problem, LamplighterError):
        print(f"{prefix}Error: {problem}", file=error)
    elif _lacks_torch(problem):
        print(f"{prefix}Error: this needs torch, which is not installed: pip install torch", file=error)
    elif isinstance(problem, KeyboardInterrupt):
        print(f"{prefix}Interrupted", file=error)
    else:
        text = "".join(traceback.format_exception(problem))
        print("".join(f"{prefix}{line}\n" for line in text.rstrip().splitlines()), end="", file=error)
    error.flush()


def _lacks_torch(problem: BaseException) -> bool:
    """Whether the environment has no torch: DeePMD, compiled models and pair styles of LAMMPS run without."""
    return isinstance(problem, ModuleNotFoundError) and problem.name == "torch"
