"""The molecules of a run's start structure, for the centres of mass that LAMMPS writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lamplighter.analysis.molecules import molecules
from lamplighter.analysis.stability import bonds_by_distance
from lamplighter.errors import StructureError
from lamplighter.structures.frame import standard_masses
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.molecule_file import MoleculeFile
from lamplighter.structures.start import StartStructure
from lamplighter.structures.trajectory import read_start


def molecules_of_start(data: Path, structure: StartStructure, replicate: Sequence[int]) -> MoleculeFile:
    """Molecules by covalent radii, atoms numbered as LAMMPS numbers them after `replicate`.

    Args:
        data: The LAMMPS data file that the run starts from.
        structure: What it was made from.
        replicate: Copies along the three cell vectors.

    Raises:
        StructureError: all atoms are one molecule, whose centre would be that of the whole system.
    """
    types = AtomTypes(dict(enumerate(structure.elements, start=1)), {})
    frame = read_start(data, types)
    nx, ny, nz = replicate
    # LAMMPS replicate: copies along x first; each copy's IDs begin where those of the one before end
    copies = np.array([(x, y, z) for z in range(nz) for y in range(ny) for x in range(nx)])
    positions = (frame.positions[None] + (copies @ frame.cell)[:, None]).reshape(-1, 3)
    atoms = (frame.ids[None] + frame.ids.max() * np.arange(len(copies))[:, None]).ravel()
    numbers = np.tile(frame.numbers, len(copies))
    given = frame.masses if frame.masses is not None else standard_masses(frame.numbers)
    assert given is not None, "the elements of a start structure are known"
    masses = np.tile(given, len(copies))
    periodic = np.array([sign == "p" for sign in structure.boundary])
    pairs, _ = bonds_by_distance(positions, numbers, frame.cell * np.array(replicate)[:, None], periodic)
    found = molecules(pairs, numbers, masses)
    if len(found) < 2:
        raise StructureError(
            f"output.centres_of_mass: all {len(atoms)} atoms of {structure.source} are one molecule by distance, "
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
