"""Structures that have broken, or could break, a potential under MPI, for any elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

Elements = Sequence[str]

_ATOMS = 24
_SIDE = 7.2  # Å


def _packed(elements: Elements, natoms: int, cell: np.ndarray, seed: int) -> Atoms:
    """Atoms at random places of a periodic cell, none much closer than a bond."""
    random = np.random.default_rng(seed)
    symbols = [elements[k % len(elements)] for k in range(natoms)]
    radii = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols])
    scale = 1.15
    places: list[np.ndarray] = []
    while len(places) < natoms:
        for _ in range(2000):
            place = random.random(3)
            if not places:
                break
            apart = np.array(places) - place
            apart -= np.round(apart)
            near = np.linalg.norm(apart @ cell, axis=1)
            if (near > scale * (radii[: len(places)] + radii[len(places)])).all():
                break
        else:  # too dense for these elements
            scale *= 0.9
            places.clear()
            continue
        places.append(place)
    return Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)


def liquid(elements: Elements) -> Atoms:
    """Atoms of all elements in a cubic cell."""
    return _packed(elements, _ATOMS, _SIDE * np.eye(3), seed=1)


def triclinic(elements: Elements) -> Atoms:
    cell = _SIDE * np.eye(3)
    cell[1, 0], cell[2, 0], cell[2, 1] = 3.0, -2.0, 1.5
    return _packed(elements, _ATOMS, cell, seed=2)


def slab(elements: Elements) -> Atoms:
    """Vacuum above the atoms: with 2 ranks or more, some have none."""
    atoms = liquid(elements)
    atoms.wrap()
    atoms.cell[2, 2] = 60.0
    return atoms


def not_periodic(elements: Elements) -> Atoms:
    atoms = liquid(elements)
    atoms.wrap()
    atoms.cell[0, 0] = 60.0
    atoms.positions[:, 0] += 20.0
    atoms.pbc = (False, True, True)
    return atoms


def lone_atom(elements: Elements) -> Atoms:
    """No pair anywhere; all ranks but one are empty."""
    return Atoms(elements[-1], [[1.0, 1.0, 1.0]], cell=[30.0] * 3, pbc=True)


def lone_atoms(elements: Elements) -> Atoms:
    """One atom of each element, too far apart for a pair, on several ranks."""
    n = len(elements)
    return Atoms(list(elements), [[25.0 * k + 1.0, 1.0, 1.0] for k in range(n)], cell=[25.0 * n, 26.0, 27.0], pbc=True)


def dimer_across_ranks(elements: Elements) -> Atoms:
    """One pair per rank: the boundary between 2 ranks passes between the atoms."""
    positions = [[14.5, 15.0, 15.0], [15.6, 15.0, 15.0]]
    return Atoms([elements[-1], elements[0]], positions, cell=[30.0, 29.0, 28.0], pbc=True)


def dimer_and_lone_atom(elements: Elements) -> Atoms:
    positions = [[1.0, 1.0, 1.0], [2.1, 1.0, 1.0], [15.0, 15.0, 15.0]]
    return Atoms([elements[-1], elements[0], elements[1]], positions, cell=[30.0] * 3, pbc=True)


def smaller_than_cutoff(elements: Elements) -> Atoms:
    """Atoms neighbour their own images, several times over."""
    return Atoms([elements[1], elements[-1]], [[0, 0, 0], [1.3, 0.2, 0.3]], cell=[2.8, 2.9, 3.1], pbc=True)


def smaller_than_cutoff_triclinic(elements: Elements) -> Atoms:
    cell = [[2.9, 0, 0], [0.6, 2.8, 0], [0.3, -0.4, 3.0]]
    return Atoms([elements[1], elements[-1]], [[0, 0, 0], [1.3, 0.2, 0.3]], cell=cell, pbc=True)


def small_triclinic(elements: Elements) -> Atoms:
    """A few atoms that fill a skewed cell: for derivatives, which take many evaluations."""
    cell = np.array([[5.6, 0, 0], [0.9, 5.4, 0], [-0.7, 0.6, 5.8]])
    return _packed(elements, 12, cell, seed=6)


def crossing(elements: Elements, distance: float) -> Atoms:
    """Three atoms on a line: one atom (the last) leaves the first element of a pair behind, at a distance (Å)."""
    along = np.array([-1.2, 0.0, distance]) + 10.0
    box = [distance + 25.0, 20.0, 21.0]
    return Atoms([elements[-1], elements[0], elements[0]], [[x, 10.0, 10.0] for x in along], cell=box)


def cluster(elements: Elements) -> Atoms:
    """A few atoms in vacuum."""
    atoms = _packed(elements, 9, 4.5 * np.eye(3), seed=3)
    atoms.positions += 12.0
    atoms.set_cell([30.0, 29.0, 28.0])
    atoms.pbc = False
    return atoms


def shift_of(atoms: Atoms) -> np.ndarray:
    """New order of the atoms in `liquid_moved` and `cluster_moved`."""
    return np.random.default_rng(4).permutation(len(atoms))


def liquid_moved(elements: Elements) -> Atoms:
    """`liquid`, shifted across the boundaries and in another order of atoms."""
    atoms = liquid(elements)
    atoms.positions += [2.3, -4.1, 5.7]
    atoms.wrap()
    return atoms[shift_of(atoms)]


#: By which `cluster_moved` is turned: rows are the images of x, y and z.
TURN = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
TURN = TURN * np.sign(np.linalg.det(TURN))


def cluster_moved(elements: Elements) -> Atoms:
    """`cluster`, turned, shifted and in another order of atoms."""
    atoms = cluster(elements)
    centre = atoms.positions.mean(axis=0)
    atoms.positions = (atoms.positions - centre) @ TURN + centre + [1.1, -0.7, 0.4]
    return atoms[shift_of(atoms)]


#: Compared with the reference, on each number of ranks.
COMPARED: dict[str, Callable[[Elements], Atoms]] = {
    function.__name__: function
    for function in (
        liquid,
        triclinic,
        slab,
        not_periodic,
        lone_atom,
        lone_atoms,
        dimer_across_ranks,
        dimer_and_lone_atom,
        smaller_than_cutoff,
        smaller_than_cutoff_triclinic,
    )
}

#: Compared with each other.
MOVED: dict[str, Callable[[Elements], Atoms]] = {
    function.__name__: function for function in (cluster, cluster_moved, liquid_moved)
}

ALL = COMPARED | MOVED
