"""The molecules of frames taken out of them, each alone in vacuum at the geometry that it has in its frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.model_errors import LabelArrays
from lamplighter.analysis.molecules import molecules
from lamplighter.analysis.whole_molecules import whole_molecules
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import StructureError

BONDED = BondRule(tolerance=1.25)
"""Bonds where nothing else is said. Wider than those of runs' guards: a C-H bond of a hot liquid passes 1.23 Å (1.15
times the radii) now and then, and must not take its molecule apart."""


@dataclass(frozen=True)
class IsolatedMolecules:
    """Molecules of F frames with A atoms in all, numbered through all frames.

    Attributes:
        molecules: Each alone, without a cell.
        names: Their formulas.
        frame_of_molecule: Shape (M,).
        of_atom: Molecule of each atom of the frames, shape (A,).
        atoms_of_molecules: Place, among all atoms of the frames, of each atom of the molecules one after the other,
            shape (A,).
        positions: Of the atoms of the frames, with molecules whole, Å, shape (A, 3).
        masses: Of the atoms of the frames, g/mol, shape (A,).
        counts: Molecules of each species in each frame, by `species`, shape (F, S).
        species: Formulas, in the order in which they occur.
    """

    molecules: list[Atoms]
    names: list[str]
    frame_of_molecule: Integers
    of_atom: Integers
    atoms_of_molecules: Integers
    positions: Floats
    masses: Floats
    counts: Integers
    species: list[str]

    @property
    def largest(self) -> int:
        """Atoms of the largest molecule."""
        return max(len(each) for each in self.molecules)


def isolated_molecules(frames: Sequence[Atoms], bonds: BondRule = BONDED) -> IsolatedMolecules:
    """Find molecules by bonds, put them together across the cell, and take them out.

    Args:
        frames: At least one, each with atoms.
        bonds: Which atoms are bonded.

    Raises:
        StructureError: a molecule has no end (the frame is named), or a position is not finite.
    """
    alone: list[Atoms] = []
    names: list[str] = []
    of_molecule: list[int] = []
    of_atom, order, positions, masses = [], [], [], []
    before = 0
    for index, atoms in enumerate(frames):
        if not np.isfinite(atoms.positions).all():
            raise StructureError(f"frame {index} has positions that are not finite: it has no molecules")
        numbers, cell, periodic = atoms.numbers.astype(np.int64), np.asarray(atoms.cell.array), np.asarray(atoms.pbc)
        pairs, _ = bonds.find(atoms.positions, numbers, cell, periodic)
        found = molecules(pairs, numbers, atoms.get_masses())
        try:
            whole = whole_molecules(atoms.positions, pairs, cell, periodic)
        except StructureError as problem:
            raise StructureError(f"frame {index}: {problem}") from None
        of_atom.append(found.of_atom + len(alone))
        for molecule in range(len(found)):
            inside = np.flatnonzero(found.of_atom == molecule)
            order.append(inside + before)
            alone.append(Atoms(numbers=numbers[inside], positions=whole[inside], masses=atoms.get_masses()[inside]))
            names.append(found.names[found.species[molecule]])
            of_molecule.append(index)
        positions.append(whole)
        masses.append(atoms.get_masses())
        before += len(atoms)
    species = list(dict.fromkeys(names))
    counts = np.zeros((len(frames), len(species)), dtype=np.int64)
    np.add.at(counts, (of_molecule, [species.index(name) for name in names]), 1)
    return IsolatedMolecules(
        alone,
        names,
        np.array(of_molecule, dtype=np.int64),
        np.concatenate(of_atom),
        np.concatenate(order),
        np.concatenate(positions),
        np.concatenate(masses),
        counts,
        species,
    )


def intramolecular(alone: LabelArrays, total: LabelArrays, found: IsolatedMolecules) -> LabelArrays:
    """What the molecules of each frame say together, each alone in vacuum: energies summed, forces put in place.

    Args:
        alone: Labels of `found.molecules`.
        total: Labels of the frames; only their numbers of atoms count.
        found: Where the molecules belong.
    """
    energies = np.zeros(len(total))
    np.add.at(energies, found.frame_of_molecule, alone.energies)
    forces = np.empty_like(total.forces)
    forces[found.atoms_of_molecules] = alone.forces
    return LabelArrays(energies, total.n_atoms, forces, np.full_like(total.stresses, np.nan), total.frame)


def intermolecular(total: LabelArrays, intra: LabelArrays) -> LabelArrays:
    """Total − intramolecular, of energies and forces."""
    return LabelArrays(
        total.energies - intra.energies, total.n_atoms, total.forces - intra.forces, intra.stresses, total.frame
    )
