"""Which coordinates of which atoms a structure holds fixed, from the constraints that ASE reads from its file.

Selective dynamics of a POSCAR (`FixAtoms`, `FixScaled`), `move_mask` of an extended XYZ file (`FixAtoms`,
`FixCartesian`), and whatever of ASE's constraints is in its own formats, become directions in which an atom
does not move.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.constraints import FixAtoms, FixCartesian, FixConstraint, FixedLine, FixedPlane, FixScaled
from numpy.typing import NDArray

from lamplighter.arrays import Floats
from lamplighter.errors import StructureError

_ALONG_AN_AXIS = 1e-6
_REMEDY = "take it out of the file, or give structure.constraints: ignore"

Held = NDArray[np.bool_]


def held_coordinates(atoms: Atoms, path: Path) -> Held:
    """Whether x, y and z of each atom are held, in the axes that LAMMPS has for the cell; shape (n, 3).

    Raises:
        StructureError: a constraint that is none of single atoms, or one that is not along LAMMPS' axes, which are
            those of the cell: a along x, b in the xy plane.
    """
    directions: list[list[Floats]] = [[] for _ in range(len(atoms))]
    for constraint in atoms.constraints:
        fixed = _fixed_directions(constraint, atoms, path)
        for atom in np.atleast_1d(constraint.index):
            directions[int(atom)].append(fixed)
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    held = np.zeros((len(atoms), 3), dtype=bool)
    for atom, each in enumerate(directions):
        if each:
            held[atom] = _axes(prism.vector_to_lammps(np.concatenate(each), wrap=False), atoms, atom, path)
    return held


def _fixed_directions(constraint: FixConstraint, atoms: Atoms, path: Path) -> Floats:
    """Directions along which atoms of a constraint do not move, shape (k, 3), in the file's axes."""
    if isinstance(constraint, FixAtoms):
        return np.eye(3)
    if isinstance(constraint, FixCartesian):
        return np.eye(3)[np.asarray(constraint.mask, dtype=bool)]
    if isinstance(constraint, FixScaled):
        # what changes the scaled coordinate along a is along a*, perpendicular to b and c
        return np.asarray(atoms.cell.reciprocal())[np.asarray(constraint.mask, dtype=bool)]
    if isinstance(constraint, FixedPlane):
        return np.asarray(constraint.dir, dtype=np.float64).reshape(1, 3)
    if isinstance(constraint, FixedLine):
        along = np.asarray(constraint.dir, dtype=np.float64).reshape(1, 3)
        return np.linalg.svd(along)[2][1:]
    raise StructureError(
        f"structure.file: {path} holds the constraint {type(constraint).__name__}, which cannot be kept in LAMMPS "
        f"(FixAtoms, FixCartesian, FixScaled, FixedPlane and FixedLine can): {_REMEDY}"
    )


def _axes(directions: Floats, atoms: Atoms, atom: int, path: Path) -> Held:
    """The axes that span the same as some directions, shape (3,)."""
    _, sizes, vectors = np.linalg.svd(directions / np.linalg.norm(directions, axis=1)[:, None])
    kept = vectors[: len(sizes)][sizes > _ALONG_AN_AXIS]
    projector = kept.T @ kept
    held = np.diag(projector) > 0.5
    if not np.allclose(projector, np.diag(held.astype(float)), atol=_ALONG_AN_AXIS):
        along = "; ".join(" ".join(f"{value:.3g}" for value in vector) for vector in kept)
        raise StructureError(
            f"structure.file: atom {atom} ({atoms.symbols[atom]}) of {path} is held along {along} in the axes of "
            "LAMMPS (the first cell vector along x, the second in the xy plane), which holds atoms along x, y or z "
            f"only: turn the cell so that the directions are along these, {_REMEDY}"
        )
    return np.asarray(held)
