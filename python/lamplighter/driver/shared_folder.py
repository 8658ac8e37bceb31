"""Whether all ranks see the run folder that the first one has filled: on several nodes, a disk of one's own is none."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from lamplighter.driver.failure import agree
from lamplighter.errors import EnvironmentProblem
from lamplighter.run_folder.names import LOCK

SEEN_WITHIN_S = 60.0
"""What a network file system gets to show a new file to other nodes (NFS keeps what it knows for up to a minute)."""

LOOKED_EVERY_S = 0.5


def require_shared(comm: Any, folder: Path) -> None:
    """Refuse a run folder that some ranks do not see, by the lock that the first rank holds in it. Collective.

    Raises:
        EnvironmentProblem: on all ranks.
    """
    if comm.Get_size() == 1:
        return
    written: str | None = agree(comm, lambda: _lock(folder))
    since = time.monotonic()
    while True:
        seen: list[tuple[bool, str]] = comm.allgather((_lock(folder) == written, socket.gethostname()))
        blind = [(rank, host) for rank, (sees, host) in enumerate(seen) if not sees]
        if not blind:
            return
        if comm.bcast(time.monotonic() - since > SEEN_WITHIN_S, root=0):
            rank, host = blind[0]
            more = f" (and {len(blind) - 1} more)" if len(blind) > 1 else ""
            raise EnvironmentProblem(
                f"rank {rank} on {host}{more} does not see the run folder {folder} as rank 0 on {seen[0][1]} has "
                "written it: name a folder that all nodes share (--output)"
            )
        time.sleep(LOOKED_EVERY_S)


def _lock(folder: Path) -> str | None:
    try:
        return (folder / LOCK).read_text(encoding="utf-8")
    except OSError:
        return None
