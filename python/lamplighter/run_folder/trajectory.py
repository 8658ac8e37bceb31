"""The trajectory of a run folder, with what its other files say of elements, masses and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ase import Atoms

from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.run_folder.names import STRUCTURE, TRAJECTORY
from lamplighter.run_folder.stages import Stages
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump
from lamplighter.structures.trajectory import types_of_data


class RunTrajectory:
    """The frames of a run folder's trajectory; times from the timesteps of its stages, masses as LAMMPS had them.

    `Run.trajectory` opens it; each `iter` reads it from its beginning, one frame at a time.

    Args:
        folder: The run folder.
        stages: Of the run.
        elements: Of atom types, where the trajectory does not name them.

    Attributes:
        path: The trajectory.
        dropped: As `LammpsDump.dropped`.
        notes: What of the folder could not be used.

    Raises:
        RunFolderError: the folder holds no trajectory.
    """

    def __init__(self, folder: Path, stages: Stages, elements: dict[int, str] | None = None) -> None:
        self.path = folder / TRAJECTORY
        self.dropped = ""
        self.notes: list[str] = []
        if not self.path.exists():
            raise RunFolderError(
                f"{folder} holds no {TRAJECTORY}: the run wrote none (output.trajectory: never?), or did not begin"
            )
        self._stages = stages
        self._dump = LammpsDump(self.path, AtomTypes(elements or {}, self._masses(folder / STRUCTURE)))

    @property
    def fraction_read(self) -> float:
        """As `LammpsDump.fraction_read`."""
        return self._dump.fraction_read

    def __iter__(self) -> Iterator[Frame]:
        dump = self._dump
        for frame in dump:
            time = frame.time_ps if frame.step is None else self._stages.time_of_step(frame.step)
            yield replace(frame, time_ps=time)
        self.dropped = dump.dropped

    def atoms(self) -> Iterator[Atoms]:
        """The frames as `ase.Atoms`, one at a time.

        Raises:
            TrajectoryError: the elements of some atoms are not known.
        """
        for frame in self:
            yield frame.to_ase()

    def __repr__(self) -> str:
        return f"<frames of {self.path}>"

    def _masses(self, data: Path) -> dict[int, float]:
        try:
            return dict(types_of_data(data).masses)
        except LamplighterError:
            self.notes.append(f"{data.name} is missing or cannot be read: standard masses were used")
            return {}
