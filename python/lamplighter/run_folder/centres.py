"""The centres of mass that a run wrote of its molecules, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lamplighter.analysis.molecules import Molecules
from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import CENTRES, MOLECULES
from lamplighter.run_folder.stages import Stages
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_dump import LammpsDump
from lamplighter.structures.molecule_file import read_molecule_file


class RunCentres:
    """Frames whose atoms are molecules: ids are those of their first atoms, positions their centres of mass.

    `Run.centres` opens it.

    Args:
        folder: The run folder.
        stages: Of the run.

    Attributes:
        path: The file.
        molecules: What the frames hold, in their order.
        dropped: As `LammpsDump.dropped`.
        notes: What of the folder could not be used.

    Raises:
        RunFolderError: the folder holds no such file.
        StructureError: its list of molecules cannot be read.
    """

    def __init__(self, folder: Path, stages: Stages) -> None:
        self.path = folder / CENTRES
        self.dropped = ""
        self.notes: list[str] = []
        if not self.path.exists():
            raise RunFolderError(f"{folder} holds no {CENTRES}: the run wrote none (output.centres_of_mass)")
        held = read_molecule_file(folder / MOLECULES)
        names = list(dict.fromkeys(held.formulas))
        species = np.array([names.index(formula) for formula in held.formulas], dtype=np.int64)
        of_atom = np.searchsorted(held.first_atoms, held.first_of_atom).astype(np.int64)
        self.molecules = Molecules(of_atom, held.masses, names, species)
        self._stages = stages
        self._first_atoms = held.first_atoms
        self._dump = LammpsDump(self.path)

    @property
    def fraction_read(self) -> float:
        """As `LammpsDump.fraction_read`."""
        return self._dump.fraction_read

    def __repr__(self) -> str:
        return f"<centres of mass of {len(self.molecules.masses)} molecules in {self.path}>"

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._dump:
            if not np.array_equal(frame.ids, self._first_atoms):
                raise RunFolderError(
                    f"{self.path}, frame {frame.index} (step {frame.step}) has other molecules than {MOLECULES}: they "
                    "are not of one run"
                )
            time = None if frame.step is None else self._stages.time_of_step(frame.step)
            yield replace(frame, time_ps=time)
        self.dropped = self._dump.dropped
