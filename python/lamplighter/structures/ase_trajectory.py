"""Trajectories in the other formats that ASE reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lamplighter.errors import StructureError, TrajectoryError
from lamplighter.structures.compressed import left_out_from
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.read_by_ase import read_by_ase


class AseTrajectory:
    """The frames of any file that ASE reads.

    Args:
        path: The file.
        names: Elements of the atoms that are called so.
    """

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self.path = path
        self.dropped = ""
        self._names = names

    def __iter__(self) -> Iterator[Frame]:
        self.dropped = ""
        index = 0
        frames = read_by_ase(self.path, self._names)
        while True:
            try:
                atoms = next(frames)
            except StopIteration:
                return
            except StructureError as problem:
                raise TrajectoryError(str(problem)) from None
            except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
                if index:
                    self.dropped = left_out_from(index, problem)
                    return
                raise TrajectoryError(
                    f"ASE cannot read {self.path} ({type(problem).__name__}: {problem}); for a format that MDAnalysis "
                    "reads give --topology FILE"
                ) from problem
            yield frame_of_atoms(atoms, index)
            index += 1
