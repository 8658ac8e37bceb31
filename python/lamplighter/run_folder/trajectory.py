"""The trajectory of a run folder, with what its other files say of elements, masses, time and what was watched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lamplighter.analysis.bonding import BondRule
from lamplighter.config.loading import load_run_file
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.run_folder.bonds import bonds_of_run
from lamplighter.run_folder.record import RUN_FILE, RunRecord, read_run
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump
from lamplighter.structures.trajectory import types_of_data

TRAJECTORY = "trajectory.lammpstrj.gz"
STRUCTURE = "structure.data"


@dataclass(frozen=True)
class WatchedInRun:
    """The guard section of a run file: words of `fix guard`, and what bonds are compared with."""

    criteria: list[str]
    reference: str


class RunTrajectory:
    """The frames of a run folder's trajectory; times from the timesteps of its stages, masses as LAMMPS had them.

    Attributes:
        run: The other files of the folder.
        path: The trajectory.
        dropped: As `LammpsDump.dropped`.
        notes: What of the folder could not be used.

    Raises:
        RunFolderError: the folder holds no run, or no trajectory.
    """

    def __init__(self, folder: Path, elements: dict[int, str] | None = None) -> None:
        self.run: RunRecord = read_run(folder)
        self.run.require_dynamics()
        self.path = folder / TRAJECTORY
        self.dropped = ""
        self.notes: list[str] = []
        if not self.path.exists():
            raise RunFolderError(
                f"{folder} holds no {TRAJECTORY}: the run wrote none (output.trajectory: never?), or did not begin"
            )
        self._dump = LammpsDump(self.path, AtomTypes(elements or {}, self._masses(folder / STRUCTURE)))

    @property
    def fraction_read(self) -> float:
        """As `LammpsDump.fraction_read`."""
        return self._dump.fraction_read

    def __iter__(self) -> Iterator[Frame]:
        dump = self._dump
        for frame in dump:
            time = frame.time_ps if frame.step is None else self.run.time_of_step(frame.step)
            yield replace(frame, time_ps=time)
        self.dropped = dump.dropped

    @cached_property
    def bonds(self) -> BondRule:
        """The bonds that the run decided on.

        Raises:
            TrajectoryError: their list cannot be read.
        """
        return bonds_of_run(self.run.folder)

    def watched(self) -> WatchedInRun:
        """What the run's own guard watched.

        Raises:
            ConfigError: its run file cannot be read.
        """
        guard = load_run_file(self.run.folder / RUN_FILE).guard
        return WatchedInRun(list(guard.criteria), guard.reference)

    def _masses(self, data: Path) -> dict[int, float]:
        try:
            return dict(types_of_data(data).masses)
        except LamplighterError:
            self.notes.append(f"{data.name} is missing or cannot be read: standard masses were used")
            return {}
