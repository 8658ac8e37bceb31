"""What is read of each run or trajectory that a function is given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

from lamplighter.api.trajectory_source import TrajectorySource
from lamplighter.errors import LamplighterError

Watch = Callable[[Any, str], AbstractContextManager[None]]
"""Shows, while its `with` block lasts, how far a trajectory has been read."""

Made = TypeVar("Made", bound=Any)


def unwatched(_source: Any, _name: str) -> AbstractContextManager[None]:
    """Shows nothing."""
    return contextlib.nullcontext()


def of_source(
    source: TrajectorySource,
    stage: str | None,
    of_run: Callable[[], Made],
    of_frames: Callable[[], Made],
    watch: Watch = unwatched,
) -> Made:
    """What a run, whose times are known, or else the frames of a trajectory say.

    Args:
        source: The run or trajectory.
        stage: Which one was asked for.
        of_run, of_frames: Make it of either.
        watch: Shows how far it has been read.

    Raises:
        LamplighterError: a stage was asked for of something that has none.
    """
    with watch(source, str(source.path)):
        if source.run is not None and source.step_ps is None and source.frame_ps is None:
            return of_run()
        if stage is not None:
            raise LamplighterError(f"--stage is for run folders whose times are known, not for {source.path}")
        made = of_frames()
    if source.frames.dropped:
        made = replace(made, notes=[*made.notes, f"{source.path.name}: {source.frames.dropped}"])
    return made
