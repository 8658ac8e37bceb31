"""The start of a run as LAMMPS will have it: atoms, bonds, molecules. What is decided here holds for the whole run."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.molecules import Molecules, in_words, molecules
from lamplighter.arrays import Floats, Integers
from lamplighter.config.bonds import BondsSection
from lamplighter.errors import ConfigError, StructureError, TrajectoryError
from lamplighter.run_folder.bonds import rule_of_settings
from lamplighter.run_folder.names import STRUCTURE
from lamplighter.structures.bond_files import write_bonds
from lamplighter.structures.frame import Frame, standard_masses
from lamplighter.structures.lammps_data import corner_of_box
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.molecule_file import MoleculeFile
from lamplighter.structures.start import StartStructure
from lamplighter.structures.trajectory import read_start


@dataclass(frozen=True)
class StartOfRun:
    """The system that a run begins with.

    Attributes:
        frame: Its atoms, numbered as LAMMPS numbers them after `replicate`.
        corner: Of the box, Å, shape (3,).
        bonds: By IDs, shape (m, 2).
        molecules: That the bonds make.
        rule: How bonds were found.
        source: The structure file.
    """

    frame: Frame
    corner: Floats
    bonds: Integers
    molecules: Molecules
    rule: BondRule
    source: Path

    @property
    def in_words(self) -> str:
        """The molecules, such as `4 Li, 20 CH2O`, and how bonds were found."""
        return f"{in_words(self.molecules)} ({len(self.bonds)} bonds, {self.rule.source})"

    def write_bonds(self, path: Path) -> None:
        """The bonds as a list that `fix guard` and all analyses read.

        Raises:
            OSError: the file cannot be written.
        """
        comments = [f"Molecules of the start: {in_words(self.molecules)}", f"Bonds: {self.rule.source}"]
        write_bonds(path, self.bonds.tolist(), comments)

    def molecule_file(self) -> MoleculeFile:
        """The molecules, for the centres of mass that LAMMPS writes.

        Raises:
            StructureError: all atoms are one molecule, whose centre would be that of the whole system.
        """
        found, atoms = self.molecules, self.frame.ids
        if len(found) < 2:
            raise StructureError(
                f"output.centres_of_mass: all {len(atoms)} atoms of {self.source} are one molecule by distance, "
                "so its centre of mass is that of the whole system; write `centres_of_mass: never`"
            )
        first = np.unique(found.of_atom, return_index=True)[1]
        return MoleculeFile(
            atoms=atoms,
            first_of_atom=atoms[first][found.of_atom],
            first_atoms=atoms[first],
            formulas=[found.names[species] for species in found.species],
            masses=found.masses,
        )


def frame_of_start(structure: StartStructure, replicate: Sequence[int]) -> tuple[Frame, Floats]:
    """The atoms that a run begins with, and the corner of its box (Å, shape (3,)); nothing is left behind.

    They are read from the data file that LAMMPS will read.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / STRUCTURE
        structure.write(data)
        frame = read_start(data, AtomTypes(dict(enumerate(structure.elements, start=1)), {}))
        corner = corner_of_box(data)
    periodic = np.array([sign == "p" for sign in structure.boundary])
    return _replicated(replace(frame, periodic=periodic), replicate), corner


def start_of_run(structure: StartStructure, replicate: Sequence[int], settings: BondsSection) -> StartOfRun:
    """The start of a run, as LAMMPS will have it.

    Args:
        structure: The start structure.
        replicate: Copies along the three cell vectors.
        settings: The `bonds` section of the run file.

    Raises:
        ConfigError: the bonds that the user names are not those of atoms of the structure, or cannot be read.
    """
    frame, corner = frame_of_start(structure, replicate)
    try:
        rule = rule_of_settings(settings)
        pairs, _ = rule.find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
    except TrajectoryError as problem:
        raise ConfigError(f"bonds: {problem}") from None
    assert frame.masses is not None
    made = molecules(pairs, frame.numbers, frame.masses)
    return StartOfRun(frame, corner, np.unique(frame.ids[pairs], axis=0), made, rule, structure.source)


def _replicated(frame: Frame, replicate: Sequence[int]) -> Frame:
    nx, ny, nz = replicate
    # LAMMPS replicate: copies along x first; each copy's IDs begin where those of the one before end
    copies = np.array([(x, y, z) for z in range(nz) for y in range(ny) for x in range(nx)])
    given = frame.masses if frame.masses is not None else standard_masses(frame.numbers)
    assert given is not None, "the elements of a start structure are known"
    velocities = None if frame.velocities is None else np.tile(frame.velocities, (len(copies), 1))
    return Frame(
        index=0,
        step=None,
        time_ps=None,
        ids=(frame.ids[None] + frame.ids.max() * np.arange(len(copies))[:, None]).ravel(),
        numbers=np.tile(frame.numbers, len(copies)),
        positions=(frame.positions[None] + (copies @ frame.cell)[:, None]).reshape(-1, 3),
        cell=frame.cell * np.array(replicate)[:, None],
        periodic=frame.periodic,
        masses=np.tile(given, len(copies)),
        velocities=velocities,
    )
