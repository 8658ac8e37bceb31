"""A command on several ranks: the first carries it out and says what comes of it, the others evaluate models with it.

So nothing is printed or written twice, whatever the command does, and what is no evaluation need not know of ranks.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from ase import Atoms

from lamplighter.driver.members import Member
from lamplighter.structures.labels import Labels

SPIN_S = 0.002
LOOK_AGAIN_S = 0.001

_team: Team | None = None


def team() -> Team | None:
    """The ranks that this process leads; None: it is alone, or all ranks call everything alike."""
    return _team


@dataclass(frozen=True)
class _Opening:
    member: Member
    elements: tuple[str, ...]
    threads: int | None
    trust: bool

    def carry_out(self) -> Any:
        from lamplighter.driver.environment import prepare
        from lamplighter.driver.member_evaluator import evaluator_of

        return evaluator_of(prepare(self.threads), self.member, self.elements, self.trust)


class Team:
    """The ranks behind the first one."""

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self._numbers = 0

    def tell(self, *order: Any) -> None:
        """Give an order to all others."""
        for rank in range(1, self.comm.Get_size()):
            self.comm.send(order, dest=rank)

    def new_number(self) -> int:
        """For an evaluator."""
        self._numbers += 1
        return self._numbers


class LedEvaluator:
    """A `FrameEvaluator` on all ranks, called on the first. Arguments as `evaluation.open_evaluator`."""

    def __init__(self, team: Team, member: Member, elements: tuple[str, ...], threads: int | None, trust: bool) -> None:
        self._team = team
        self._number = team.new_number()
        opening = _Opening(member, elements, threads, trust)
        team.tell("open", self._number, opening)
        self._evaluator = _together(team.comm, opening.carry_out)

    def evaluate(self, atoms: Atoms) -> Labels:
        """As `FrameEvaluator.evaluate`."""
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        self._team.tell("evaluate", self._number, bare)
        found: Labels = _together(self._team.comm, lambda: self._evaluator.evaluate(bare))
        return found

    def close(self) -> None:
        """End it on all ranks."""
        self._team.tell("close", self._number, None)
        self._evaluator.close()

    def __enter__(self) -> LedEvaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def lead(comm: Any, program: Callable[[], int]) -> int:
    """Carry out a program on the first rank, led by it. Collective.

    Args:
        comm: mpi4py communicator of all ranks.
        program: What is carried out; its result is the exit status, on the first rank.

    Returns:
        That status; 0 on the other ranks.
    """
    global _team
    from ase import parallel

    own = comm.Dup()
    parallel.world.comm = parallel.DummyMPI()  # else ASE's readers would talk to ranks that do not read
    if own.Get_rank() != 0:
        _follow(own)
        return 0
    _team = Team(own)
    try:
        return program()
    finally:
        _team.tell("end", 0, None)
        _team = None


def _follow(comm: Any) -> None:
    opened: dict[int, Any] = {}
    while True:
        order, number, what = _next_order(comm)
        if order == "end":
            return
        # what fails here has failed on the first rank, too, which says so
        with contextlib.suppress(Exception):
            if order == "open":
                opened[number] = _together(comm, what.carry_out)
            elif order == "evaluate":
                _together(comm, partial(opened[number].evaluate, what))
            else:
                opened.pop(number).close()


def _next_order(comm: Any) -> Any:
    """Waits without using the core for long: the first rank may be reading files for minutes."""
    began = time.monotonic()
    while not comm.Iprobe(source=0):
        if time.monotonic() - began > SPIN_S:
            time.sleep(LOOK_AGAIN_S)
    return comm.recv(source=0)


def _together(comm: Any, action: Callable[[], Any]) -> Any:
    """Do something on all ranks, which fails on all of them, or ends them all.

    Raises:
        Whatever `action` raises.
    """
    from lamplighter.driver.failure import all_ranks_failed, end_all_ranks, status_of, tell

    try:
        return action()
    except Exception as problem:
        if not all_ranks_failed(comm):
            tell(problem, f"[rank {comm.Get_rank()} of {comm.Get_size()}] ")
            end_all_ranks(comm, status_of(problem))
        raise
