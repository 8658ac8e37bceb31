"""How a run is carried out: by which ranks, until when, and what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.driver.environment import Environment
from lamplighter.driver.interruption import StopRequests
from lamplighter.driver.wall_clock import WallClock


@dataclass(frozen=True)
class Execution:
    """What every part of a run is carried out with; on all ranks.

    Attributes:
        env: The ranks and their threads.
        stops: Where signals and the wall time ask for its end.
        clock: The wall time.
        stall_s: How long no step may end, s; None: measured.
        progress: The first rank shows the progress.
        command_line: What `provenance.json` records.
    """

    env: Environment
    stops: StopRequests
    clock: WallClock
    stall_s: float | None
    progress: bool
    command_line: list[str]
