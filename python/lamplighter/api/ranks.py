"""A script under mpirun runs on every rank: what is written is written by the first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from lamplighter import launcher

T = TypeVar("T")


def on_first_rank(action: Callable[[], T], takes_long: bool = False) -> T:
    """Do something on rank 0 and give its result, or its error, to all ranks. Collective; alone it is done at once.

    Args:
        action: What is done.
        takes_long: The other ranks leave their cores to it.
    """
    if "mpi4py.MPI" not in sys.modules and not any((each.size or 1) > 1 for each in launcher.announced()):
        return action()  # MPI need not be started
    from lamplighter.driver import led_ranks

    if led_ranks.team() is not None:
        return action()  # the others wait for orders, and call nothing
    from lamplighter.driver.environment import prepare
    from lamplighter.driver.failure import agree, agree_asleep

    result: T = (agree_asleep if takes_long else agree)(prepare().comm, action)
    return result
