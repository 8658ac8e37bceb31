"""When a trajectory ceases to be physical: the criteria of `fix guard` as functions of arrays.

Nothing here is shared with the fix, so that each can be held against the other. Atoms are named by their place in the
arrays, from 0. Values that are not finite never make a bond or a force the largest; `not_finite` finds them.

Sources:
    Niblett, Kourtis, Magdău, Grey, Csányi, Transferability of datasets between machine-learning interaction
    potentials, sections 3.2 (trajectory stability) and 3.3 (active learning).
    B. Cordero et al., Dalton Trans. 2008, 2832 (covalent radii, as ASE has them).

The formulas are written out in `docs/how_to/check.md`.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import find_mic
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from lamplighter.analysis.large_cells import is_wide, pairs_in_wide_cell
from lamplighter.arrays import Floats, Integers
from lamplighter.atomic_mass import ATOMIC_MASS_KG, GRAM_PER_CM3

Booleans = NDArray[np.bool_]

_LARGE = 2000
"""Atoms from which on ASE's neighbour search takes too much memory."""

# CODATA 2018 (the SI of 2019)
_ELECTRON_VOLT_J = 1.602176634e-19
_BOLTZMANN_EV = 1.380649e-23 / _ELECTRON_VOLT_J
_EV_PER_GMOL_A2_PS2 = ATOMIC_MASS_KG * 1e4 / _ELECTRON_VOLT_J


def bonds_by_distance(
    positions: Floats, numbers: Integers, cell: Floats, periodic: Booleans, tolerance: float = 1.15
) -> tuple[Integers, Floats]:
    """Pairs of atoms closer than `tolerance` times the sum of their covalent radii.

    Args:
        positions: Å, shape (n, 3), finite.
        numbers: Atomic numbers, shape (n,), all ≥ 1.
        cell: Cell vectors as rows, Å, shape (3, 3).
        periodic: Which of them repeat, shape (3,).
        tolerance: Factor, dimensionless.

    Returns:
        Pairs (lower place first), shape (m, 2), in ascending order; their lengths, Å, shape (m,). A pair that is bonded
        through two images is there twice; bonds of an atom to its own image are left out.
    """
    repeats, radii = periodic & cell.any(axis=1), tolerance * covalent_radii[numbers]
    longest = 2.0 * float(radii.max(initial=0.0))
    if len(numbers) >= _LARGE and is_wide(cell, repeats, longest):
        first, second, length = pairs_in_wide_cell(positions, cell, repeats, longest)
        once = length < radii[first] + radii[second]
    else:
        atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=repeats)
        first, second, length = neighbor_list("ijd", atoms, radii)
        once = first < second
    first, second, length = first[once], second[once], length[once]
    order = np.lexsort((length, second, first))
    pairs = np.stack([first, second], axis=1).astype(np.int64)
    return pairs[order], np.asarray(length, dtype=np.float64)[order]


def bond_lengths(positions: Floats, pairs: Integers, cell: Floats, periodic: Booleans) -> Floats:
    """Lengths of bonds between nearest images, Å, shape (m,); nan where a position or the cell is not finite.

    Args: as `bonds_by_distance`; `pairs` of shape (m, 2).
    """
    across = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    lengths = np.full(len(pairs), np.nan)
    finite = np.isfinite(across).all(axis=1)
    if finite.any() and np.isfinite(cell).all():
        lengths[finite] = find_mic(across[finite], cell, periodic)[1]
    return lengths


def bond_kinds(numbers: Integers, pairs: Integers) -> Integers:
    """Which bonds are of one kind: the same two elements, each with the same number of bonds.

    So C=O and C–O are apart, and C–H of a CH₂ and of a CH₃.

    Returns:
        A number for each bond, shape (m,); equal for bonds of one kind.
    """
    if len(pairs) == 0:
        return np.empty(0, dtype=np.int64)
    n_bonds = np.bincount(pairs.ravel(), minlength=len(numbers))
    ends = np.stack([numbers[pairs], n_bonds[pairs]], axis=2)  # (m, 2 ends, element and number of bonds)
    swap = (ends[:, 0, 0] > ends[:, 1, 0]) | ((ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1]))
    ends[swap] = ends[swap][:, ::-1]
    _, kind = np.unique(ends.reshape(len(pairs), 4), axis=0, return_inverse=True)
    return kind.reshape(-1).astype(np.int64)


def mean_of_kind(lengths: Floats, kinds: Integers) -> Floats:
    """For each bond the mean length of all bonds of its kind, Å, shape (m,)."""
    if len(kinds) == 0:
        return np.empty(0)
    return (np.bincount(kinds, weights=lengths) / np.bincount(kinds))[kinds]


def farthest_seen(cell: Floats, periodic: Booleans) -> float:
    """Half of the box, Å: a longer bond can be shorter through the box. Infinite where nothing repeats.

    The box is taken as LAMMPS takes it: the first vector along x, the second in the xy plane; its edges are then the
    diagonal of that matrix, which no lattice vector is shorter than.
    """
    edges = np.abs(np.diag(np.linalg.qr(cell.T)[1]))
    edges = edges[periodic & cell.any(axis=1)]
    return 0.5 * float(edges.min()) if len(edges) else float("inf")


def density(masses: Floats, cell: Floats) -> float:
    """Mass over volume, g/cm³. `masses` in g/mol, shape (n,); `cell` in Å, shape (3, 3), of some volume."""
    return float(GRAM_PER_CM3 * masses.sum() / abs(np.linalg.det(cell)))


def kinetic_energy(masses: Floats, velocities: Floats) -> float:
    """½ Σ m v², eV. `masses` in g/mol, shape (n,); `velocities` in Å/ps, shape (n, 3)."""
    return float(0.5 * _EV_PER_GMOL_A2_PS2 * (masses * (velocities**2).sum(axis=1)).sum())


def temperature(masses: Floats, velocities: Floats) -> float:
    """2 E_kin / (f k_B), K, with f = 3n − 3 degrees of freedom; 0 where there are none.

    The total momentum is taken for a conserved quantity, also beside walls; constraints and atoms that are held are not
    known of. LAMMPS' compute temp likewise, but for what fixes (shake, rigid) and `compute_modify extra/dof` tell it: a
    run with atoms that are held does.
    """
    freedom = 3 * len(masses) - 3
    return 2.0 * kinetic_energy(masses, velocities) / (freedom * _BOLTZMANN_EV) if freedom > 0 else 0.0


def force_sizes(forces: Floats) -> Floats:
    """|F| of each atom, in the unit of `forces`, shape (n,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.sqrt((forces**2).sum(axis=1)))


def not_finite(positions: Floats, forces: Floats | None = None) -> Integers:
    """Places of atoms whose position or force is not a finite number; a force whose square overflows is not."""
    finite = np.isfinite(positions).all(axis=1)
    if forces is not None:
        finite &= np.isfinite(force_sizes(forces))
    return np.flatnonzero(~finite).astype(np.int64)


def lost_or_new(reference_ids: Integers, ids: Integers) -> tuple[Integers, Integers]:
    """Ids that were in the reference and no longer are, and ids that were not; each ascending."""
    if np.array_equal(reference_ids, ids):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.setdiff1d(reference_ids, ids), np.setdiff1d(ids, reference_ids)
