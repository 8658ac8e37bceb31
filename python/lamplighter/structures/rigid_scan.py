"""Frames of a volume scan: a liquid expanded or compressed with its molecules rigid.

The cell and the centres of mass are scaled by one factor, the molecules move as they are: Niblett, Kourtis, Magdău,
Grey, Csányi, Transferability of datasets between machine-learning interaction potentials. Written out in
`docs/how_to/equation_of_state.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from lamplighter.arrays import Integers
from lamplighter.atomic_mass import GRAM_PER_CM3
from lamplighter.errors import StructureError

OVERLAP_A = 0.1
"""Atoms of different molecules closer than this (Å) have no energy worth the name; LAMMPS' pair style refuses them."""

FARTHEST_CONTACT_A = 4.0
"""Up to which the closest contact between molecules is looked for, Å."""

MOST_DENSE = 25.0
"""g/cm³; osmium has 22.6. In a cell of less than an ångström everything takes for ever."""


@dataclass(frozen=True)
class Contact:
    """The closest atoms of two molecules.

    Attributes:
        first, second: Their places.
        distance: Å; infinite where there is none as near as was looked for.
        ratio: The smallest distance over the sum of covalent radii, of all pairs of different molecules.
    """

    first: int
    second: int
    distance: float
    ratio: float


def density_of(atoms: Atoms) -> float:
    """g/cm³."""
    return float(GRAM_PER_CM3 * atoms.get_masses().sum() / atoms.get_volume())


def scaled_rigidly(atoms: Atoms, of_molecule: Integers, factor: float) -> Atoms:
    """The cell and the centres of mass times a factor; each molecule keeps its geometry and orientation.

    Args:
        atoms: Molecules whole: bonded atoms nearest images of each other without the cell.
        of_molecule: Molecule of each atom, from 0 without gaps, shape (n_atoms,).
        factor: Of lengths, > 0.
    """
    masses = atoms.get_masses()
    weights = np.bincount(of_molecule, weights=masses)
    centres = np.stack(
        [np.bincount(of_molecule, weights=masses * atoms.positions[:, axis]) / weights for axis in range(3)], axis=1
    )
    made = atoms.copy()
    made.set_cell(atoms.cell.array * factor)
    made.positions = atoms.positions + (factor - 1.0) * centres[of_molecule]
    return made


def rigid_scan(atoms: Atoms, of_molecule: Integers, densities: Sequence[float]) -> list[Atoms]:
    """A frame at each density, in the order given.

    Args:
        atoms, of_molecule: As `scaled_rigidly`; periodic in all directions.
        densities: g/cm³, each > 0 and at most 25.

    Raises:
        StructureError: a density is impossible, the frame is not periodic in all directions, or atoms of different
            molecules come closer than 0.1 Å at a density (it and the atoms are named).
    """
    if not all(atoms.pbc) or atoms.cell.rank < 3:
        raise StructureError("a volume scan needs a frame that is periodic in all three directions")
    require_densities(densities)
    given = density_of(atoms)
    frames = []
    for density in densities:
        frame = scaled_rigidly(atoms, of_molecule, (given / density) ** (1.0 / 3.0))
        closest = closest_contact(frame, of_molecule, OVERLAP_A)
        if closest.distance < OVERLAP_A:
            i, j = closest.first, closest.second
            raise StructureError(
                f"at {density:.4g} g/cm³ atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) of different "
                f"molecules are {closest.distance:.2g} Å apart, less than {OVERLAP_A} Å: end the scan at less"
            )
        frames.append(frame)
    return frames


def require_densities(densities: Sequence[float]) -> None:
    """Refuse what no matter has.

    Raises:
        StructureError: a density (g/cm³) is not > 0, or more than 25.
    """
    for density in densities:
        if not 0.0 < density <= MOST_DENSE:
            raise StructureError(f"densities must lie between 0 and {MOST_DENSE:g} g/cm³, got {density:g}")


def isolated_molecules(atoms: Atoms, of_molecule: Integers) -> list[Atoms]:
    """Each molecule by itself in vacuum, without a cell: together the limit of density zero."""
    return [
        Atoms(
            numbers=atoms.numbers[of_molecule == molecule],
            positions=atoms.positions[of_molecule == molecule],
            masses=atoms.get_masses()[of_molecule == molecule],
        )
        for molecule in range(int(of_molecule.max()) + 1)
    ]


def closest_contact(atoms: Atoms, of_molecule: Integers, farthest: float = FARTHEST_CONTACT_A) -> Contact:
    """The closest atoms of different molecules within `farthest` (Å), a molecule's own images among them.

    Other arguments as `scaled_rigidly`.
    """
    first, second, distance, shift = neighbor_list("ijdS", atoms, farthest)
    other = (of_molecule[first] != of_molecule[second]) | shift.any(axis=1)
    first, second, distance = first[other], second[other], distance[other]
    if len(distance) == 0:
        return Contact(0, 0, float("inf"), float("inf"))
    radii = covalent_radii[atoms.numbers]
    nearest = int(np.argmin(distance))
    ratio = float((distance / (radii[first] + radii[second])).min())
    return Contact(int(first[nearest]), int(second[nearest]), float(distance[nearest]), ratio)
