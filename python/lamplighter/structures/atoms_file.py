"""Structures from any file that ASE reads, checked and put into a box that LAMMPS can take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_numbers
from ase.io import read, write
from ase.neighborlist import neighbor_list

from lamplighter.errors import StructureError

OVERLAP_A = 0.1
"""Atoms closer than this (Å) are taken for a mistake in the file."""

MARGIN_A = 10.0
"""Room (Å) left around the atoms in a direction without a cell vector; LAMMPS shrink-wraps such a box."""


def read_atoms(path: Path, file_format: str | None, index: int) -> Atoms:
    """One frame of a file.

    Raises:
        StructureError: ASE cannot read the file, or it has no frame `index`.
    """
    try:
        # without parallel=False ASE would talk to the other ranks, which are not reading
        atoms = read(path, index=index, format=file_format, parallel=False)
    except (IndexError, StopIteration):
        raise StructureError(f"structure.index: {path} has no frame {index}") from None
    except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
        raise StructureError(
            f"structure.file: ASE cannot read {path} ({type(problem).__name__}: {problem}); if its format is not "
            "clear from its name, give structure.format"
        ) from problem
    assert isinstance(atoms, Atoms)
    return atoms


def check(atoms: Atoms, path: Path) -> None:
    """Refuse what no force field can make sense of.

    Raises:
        StructureError: no atoms, positions that are not finite, unknown elements, a cell of no or negative
            volume in a periodic direction, or atoms less than 0.1 Å apart; the first offender is named.
    """
    if len(atoms) == 0:
        raise StructureError(f"structure.file: {path} holds no atoms")
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        raise StructureError(
            f"structure.file: {path} has positions that are not finite: atom {bad[0]} ({atoms.symbols[bad[0]]}) is at "
            f"{atoms.positions[bad[0]]}, {len(bad)} atom(s) in all"
        )
    if not np.isfinite(atoms.cell.array).all():
        raise StructureError(f"structure.file: {path} has a cell that is not finite: {atoms.cell.array.tolist()}")
    unknown = np.flatnonzero(atoms.numbers == 0)
    if len(unknown):
        raise StructureError(f"structure.file: atom {unknown[0]} of {path} is of no known element")
    for axis in range(3):
        if atoms.pbc[axis] and not atoms.cell[axis].any():
            raise StructureError(f"structure.file: {path} is periodic along {'abc'[axis]} but has no such cell vector")
    if atoms.cell.rank == 3 and np.linalg.det(atoms.cell.array) < 0:
        raise StructureError(f"structure.file: {path} has left-handed cell vectors; swap two of them")
    first, second, distance = neighbor_list("ijd", atoms, OVERLAP_A)
    if len(first):
        i, j = first[0], second[0]
        raise StructureError(
            f"structure.file: atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) of {path} are "
            f"{distance[0]:.3g} Å apart, less than {OVERLAP_A} Å: they overlap (an atom listed twice, or a wrong cell?)"
        )


def boxed(atoms: Atoms, path: Path) -> Atoms:
    """A copy with a full cell that holds all atoms in its non-periodic directions.

    Raises:
        StructureError: a non-periodic direction is not perpendicular to the others, which LAMMPS cannot hold.
    """
    copy = atoms.copy()
    given = [bool(vector.any()) for vector in copy.cell]
    copy.cell = copy.cell.complete()
    for axis in range(3):
        if copy.pbc[axis]:
            continue
        others = [other for other in range(3) if other != axis]
        if any(abs(np.dot(copy.cell[axis], copy.cell[other])) > 1e-6 for other in others):
            raise StructureError(
                f"structure.file: the cell of {path} is not periodic along {'abc'[axis]} and tilted there; LAMMPS "
                "needs that vector perpendicular to the other two"
            )
        inside = copy.get_scaled_positions(wrap=False)[:, axis]
        if not given[axis] or inside.min() < 0 or inside.max() >= 1:
            copy.center(vacuum=MARGIN_A, axis=axis)
    return copy


def element_order(atoms: Atoms) -> tuple[str, ...]:
    """The elements of a structure by atomic number: the order of the LAMMPS atom types."""
    return tuple(sorted(set(atoms.get_chemical_symbols()), key=atomic_numbers.__getitem__))


def is_tilted(atoms: Atoms) -> bool:
    """Whether LAMMPS needs a triclinic box for it."""
    return bool(Prism(atoms.cell).is_skewed())


def write_data(atoms: Atoms, target: Path, elements: tuple[str, ...], atom_style: str) -> None:
    """Write a LAMMPS data file (`units metal`), atoms in the order of `atoms`, with velocities if it has any."""
    write(
        target,
        atoms,
        format="lammps-data",
        parallel=False,
        specorder=list(elements),
        masses=True,
        velocities=bool(atoms.has("momenta")),
        units="metal",
        atom_style=atom_style,
    )
