"""What displacements of molecules are taken from: the centres of mass that a run wrote, or a trajectory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lamplighter.api.trajectory_source import Time, TrajectorySource, open_source
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.names import CENTRES
from lamplighter.run_folder.run import Run


@dataclass(frozen=True)
class MotionSource:
    """What was opened.

    Attributes:
        source: Its frames.
        notes: What the reader of an answer is told of it.
    """

    source: TrajectorySource
    notes: list[str]


def open_motion(
    given: Path | Run,
    source: str,
    about_atoms: bool,
    topology: str | os.PathLike[str] | None = None,
    elements: str | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
) -> MotionSource:
    """Open a run or a trajectory file; the other arguments are options of commands, as they were typed.

    Args:
        given: What was named.
        source: `auto`, `centres` or `trajectory`.
        about_atoms: Some option is about atoms, so that `auto` does not mean centres of mass.
        topology, elements, units, timestep, dt: As `open_source`.

    Raises:
        LamplighterError: an option or the file cannot be understood, or a run wrote no centres of mass that were asked
            for.
    """
    if source not in ("auto", "centres", "trajectory"):
        raise LamplighterError(f"--source must be auto, centres or trajectory, got {source!r}")
    folder = given.folder if isinstance(given, Run) else given
    written = folder.is_dir() and (folder / CENTRES).exists()
    if folder.is_dir() and (source == "centres" or (source == "auto" and written and not about_atoms)):
        run = given if isinstance(given, Run) else Run(given)
        centres = run.centres()
        note = f"from the centres of mass in {centres.path.name}"
        return MotionSource(TrajectorySource(centres.path, centres, None, run), [note])
    return MotionSource(open_source(given, topology, elements, units, timestep, dt), [])
