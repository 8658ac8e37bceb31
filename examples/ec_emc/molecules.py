"""Molecules of a periodic frame: find them, make them whole, move them as rigid bodies.

Lengths in Å, masses in g/mol, densities in g/cm³.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from ase.neighborlist import natural_cutoffs, neighbor_list
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial.transform import Rotation

GRAM_PER_CM3 = 1.66053906660  # one g/mol per Å³, in g/cm³


def density(atoms: Atoms) -> float:
    """Mass density of a periodic frame, g/cm³."""
    return float(atoms.get_masses().sum() / atoms.get_volume() * GRAM_PER_CM3)


def bond_graph(atoms: Atoms, scale: float = 1.15):
    """Bonds (sum of covalent radii × `scale`) as a sparse (N, N) adjacency matrix."""
    first, second = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=scale))
    return coo_matrix((np.ones(len(first)), (first, second)), shape=(len(atoms),) * 2).tocsr()


def find_molecules(atoms: Atoms) -> list[np.ndarray]:
    """Atom indices of every molecule, in the order of their first atoms."""
    count, label = connected_components(bond_graph(atoms))
    return [np.flatnonzero(label == k) for k in range(count)]


def unwrap(atoms: Atoms) -> Atoms:
    """A copy in which no molecule is cut by the cell's faces."""
    whole = atoms.copy()
    if not atoms.pbc.any():
        return whole
    graph = bond_graph(atoms)
    for molecule in find_molecules(atoms):
        order, parent = breadth_first_order(graph, molecule[0], directed=False)
        for atom in order[1:]:
            step = atoms.positions[atom] - atoms.positions[parent[atom]]
            step = find_mic(step[None], atoms.cell, atoms.pbc)[0][0]
            whole.positions[atom] = whole.positions[parent[atom]] + step
    return whole


def scale_rigidly(atoms: Atoms, target_density: float) -> Atoms:
    """Scale cell and centres of mass to `target_density` (g/cm³); molecules keep their geometry."""
    scaled = unwrap(atoms)
    molecules = find_molecules(atoms)
    factor = (density(atoms) / target_density) ** (1 / 3)
    scaled.set_cell(atoms.cell * factor)
    masses = atoms.get_masses()
    for molecule in molecules:
        centre = np.average(scaled.positions[molecule], axis=0, weights=masses[molecule])
        scaled.positions[molecule] += (factor - 1) * centre
    return scaled


def composition(atoms: Atoms) -> str:
    """Molecular formulas with counts, e.g. ``C3H4O3(4):C4H8O3(8)``."""
    formulas = [atoms[m].get_chemical_formula() for m in find_molecules(atoms)]
    return ":".join(f"{name}({formulas.count(name)})" for name in sorted(set(formulas)))


def longest_bond_stretch(atoms: Atoms, reference: Atoms) -> float:
    """Largest lengthening of a bond of `reference` in `atoms`, Å (same atom order)."""
    bonds = np.array(bond_graph(reference).nonzero()).T
    bonds = bonds[bonds[:, 0] < bonds[:, 1]]

    def lengths(frame: Atoms) -> np.ndarray:
        vectors = frame.positions[bonds[:, 1]] - frame.positions[bonds[:, 0]]
        return find_mic(vectors, frame.cell, frame.pbc)[1]

    return float((lengths(atoms) - lengths(reference)).max())


def pack(molecules: list[Atoms], target_density: float, rng: np.random.Generator, gap: float = 2.2) -> Atoms:
    """Put whole `molecules` into a cubic periodic box at random, no two atoms closer than `gap` Å.

    Random sequential insertion: good up to about half the liquid's density; compress afterwards.
    Raises RuntimeError when a molecule finds no place.
    """
    mass = sum(m.get_masses().sum() for m in molecules)
    edge = (mass / target_density * GRAM_PER_CM3) ** (1 / 3)
    box = Atoms(cell=[edge] * 3, pbc=True)
    for k in rng.permutation(len(molecules)):
        for _ in range(2000):
            guest = molecules[k].copy()
            rotated = Rotation.random(random_state=int(rng.integers(2**31))).apply(
                guest.positions - guest.get_center_of_mass()
            )
            guest.positions = rotated + rng.random(3) * edge
            if len(box) == 0:
                break
            vectors = (guest.positions[:, None] - box.positions[None]).reshape(-1, 3)
            vectors -= edge * np.round(vectors / edge)
            if np.linalg.norm(vectors, axis=1).min() > gap:
                break
        else:
            raise RuntimeError(
                f"pack: no room for molecule {k} of {len(molecules)} at {target_density} g/cm³; "
                "lower the density or the gap"
            )
        guest.set_cell(box.cell)
        guest.pbc = True
        box += guest
    return box
