"""What a job asks of a queue: nodes, ranks, threads, GPUs, time, and the queue's own words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lamplighter.errors import QueueProblem

LauncherName = Literal["mpirun", "srun"]

SIGNALLED_BEFORE_S = 60
"""How long before its end a job is told that time is up. Slurm may tell it up to a minute earlier."""


@dataclass(frozen=True)
class Job:
    """A job for a batch queue.

    Attributes:
        name: As the queue shows it.
        time_s: How long it may take, in s.
        nodes: Number of nodes.
        ranks_per_node: MPI ranks on each; None: one a GPU where there are GPUs, else 1.
        threads: Cores of each rank.
        gpus_per_node: GPUs of each node; ranks share them in turn.
        partition, account, qos: Of the queue; empty: its default.
        exclusive: No other job on its nodes.
        bind: Keep each rank on its cores.
        launcher: What starts the ranks.
        mpi: `--mpi` of srun; empty: the site's default.
        log: File that its output is appended to; relative to the folder that the job is submitted from.
        words: Further words of the queue, as `constraint=milan`.
        setup: Lines of shell before the ranks are started, such as `module load …`.

    Raises:
        QueueProblem: a number is impossible, or a word has a line break.
    """

    name: str
    time_s: float
    nodes: int = 1
    ranks_per_node: int | None = None
    threads: int = 1
    gpus_per_node: int = 0
    partition: str = ""
    account: str = ""
    qos: str = ""
    exclusive: bool = False
    bind: bool = True
    launcher: LauncherName = "mpirun"
    mpi: str = ""
    log: str = ""
    words: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, number, least in (
            ("nodes", self.nodes, 1),
            ("ranks per node", self.ranks_per_node if self.ranks_per_node is not None else 1, 1),
            ("threads", self.threads, 1),
            ("GPUs per node", self.gpus_per_node, 0),
        ):
            if number < least:
                raise QueueProblem(f"{name} must be at least {least}, got {number}")
        if not (math.isfinite(self.time_s) and self.time_s > 0):
            raise QueueProblem(f"the time of a job must be more than 0 s, got {self.time_s}")
        for word in (self.name, self.partition, self.account, self.qos, self.mpi, self.log, *self.words):
            if "\n" in word or "\r" in word:
                raise QueueProblem(f"a word of a job must be one line, got {word!r}")

    @property
    def ranks_on_node(self) -> int:
        """Ranks of each node."""
        return self.ranks_per_node if self.ranks_per_node is not None else max(1, self.gpus_per_node)

    @property
    def ranks(self) -> int:
        """All ranks."""
        return self.nodes * self.ranks_on_node

    @property
    def cores_per_node(self) -> int:
        """Cores of each node."""
        return self.ranks_on_node * self.threads

    @property
    def signalled_before_s(self) -> int:
        """How long before its end it is told so, in s."""
        return max(1, min(SIGNALLED_BEFORE_S, int(self.time_s // 10)))
