"""The frames that are labelled, and what a method is told of each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.errors import StructureError
from lamplighter.labelling.command import FRAME
from lamplighter.labelling.electrons import Electrons, OfSilentFrames, electrons_of, is_charged_or_open
from lamplighter.labelling.journal import key_of
from lamplighter.labelling.method import Method
from lamplighter.labelling.workers import Asked
from lamplighter.structures.labelled_frames import read_frames


class InputFrames:
    """The frames of a file.

    Args:
        path: Anything that ASE reads.
        method: What will be asked.
        otherwise: Charge and multiplicity of frames that state none.

    Attributes:
        frames: With all that the file says.
        electrons: Of each frame; None: the method is not told.
        refused: Why frames are not even asked about, by their numbers.
        keys: Hashes of all that labels depend on.
        notes: What is to be said of the file.

    Raises:
        TrajectoryError: the file cannot be read.
    """

    def __init__(self, path: Path, method: Method, otherwise: OfSilentFrames) -> None:
        self.path = path
        self.frames, dropped = read_frames(path)
        self.notes = [f"{path.name}: {dropped}"] if dropped else []
        self.electrons: list[Electrons | None] = []
        self.refused: dict[int, str] = {}
        for number, atoms in enumerate(self.frames):
            told, why = _told(method, atoms, otherwise)
            self.electrons.append(told)
            if why:
                self.refused[number] = why
        self.keys = [key_of(atoms, (told,)) for atoms, told in zip(self.frames, self.electrons, strict=True)]
        charged = sum(map(is_charged_or_open, self.frames))
        if charged and not method.has_electrons:
            self.notes.append(f"{charged} frames state a charge or a spin, of which {method.name} is not told")

    @property
    def elements(self) -> list[str]:
        """Of all frames, by atomic number."""
        numbers = sorted({int(number) for atoms in self.frames for number in atoms.numbers})
        return [str(Atoms(numbers=[number]).symbols) for number in numbers]

    def asked(self, number: int) -> Asked:
        """A frame as the method gets it: without all that it has nothing to do with."""
        atoms, told = self.frames[number], self.electrons[number]
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        bare.info[FRAME] = number
        if told is not None:
            bare.info |= {"charge": told.charge, "multiplicity": told.multiplicity}
        return Asked(number, bare)


def _told(method: Method, atoms: Atoms, otherwise: OfSilentFrames) -> tuple[Electrons | None, str]:
    """Charge and multiplicity where the method has electrons, and why a frame is not even asked about."""
    if len(atoms) == 0:
        return None, "it holds no atoms"
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return None, "it has positions or cell vectors that are not finite"
    if why := method.refusal(atoms):
        return None, why
    if not method.has_electrons:
        return None, ""
    try:
        return electrons_of(atoms, otherwise), ""
    except StructureError as problem:
        return None, str(problem)
