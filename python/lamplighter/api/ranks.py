"""A script under mpirun runs on every rank: what is written is written by the first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from lamplighter import launcher
from lamplighter.errors import LamplighterError

T = TypeVar("T")


def on_first_rank(action: Callable[[], T], takes_long: bool = False) -> T:
    """Do something on rank 0 and give its result, or its error, to all ranks. Collective; alone it is done at once.

    Args:
        action: What is done.
        takes_long: The other ranks leave their cores to it.
    """
    if not _may_be_several():
        return action()  # MPI need not be started
    from lamplighter.driver import led_ranks

    if led_ranks.team() is not None:
        return action()  # the others wait for orders, and call nothing
    from lamplighter.driver.environment import prepare
    from lamplighter.driver.failure import agree, agree_asleep

    result: T = (agree_asleep if takes_long else agree)(prepare().comm, action)
    return result


def require_alone_or_led(what: str, remedy: str) -> None:
    """Refuse several ranks that all call the same, for what evaluates models on one rank. All of them raise.

    Args:
        what: That cannot be called so.
        remedy: What can be done.

    Raises:
        LamplighterError: there are several ranks, and none leads the others.
    """
    if not _may_be_several():
        return
    from lamplighter.driver import led_ranks
    from lamplighter.driver.environment import prepare

    if led_ranks.team() is None and (ranks := prepare().comm.Get_size()) > 1:
        raise LamplighterError(f"{what} is called on {ranks} ranks: {remedy}")


def _may_be_several() -> bool:
    return "mpi4py.MPI" in sys.modules or any((each.size or 1) > 1 for each in launcher.announced())
