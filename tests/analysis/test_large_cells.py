"""Bonds of large systems are those that ASE's neighbour search finds, with a fraction of its memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from lamplighter.analysis import stability

N = 2500


@pytest.mark.parametrize("cell", [np.diag([30.0, 28.0, 26.0]), [[30.0, 0, 0], [12.0, 27.0, 0], [-9.0, 8.0, 26.0]]])
@pytest.mark.parametrize("periodic", [True, False])
def test_bonds_are_those_of_ase(cell: object, periodic: bool) -> None:
    random = np.random.default_rng(1)
    cell = np.asarray(cell, dtype=float)
    positions = random.uniform(-0.7, 1.6, (N, 3)) @ cell  # in the cell and out of it
    numbers = random.choice([1, 6, 8, 11], N)
    repeats = np.full(3, periodic)
    radii = 1.15 * covalent_radii[numbers]
    atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=repeats)
    first, second, lengths = neighbor_list("ijd", atoms, radii)
    once = first < second
    order = np.lexsort((lengths[once], second[once], first[once]))
    expected = np.stack([first[once], second[once]], axis=1)[order]
    assert len(expected) > 500
    pairs, found = stability.bonds_by_distance(positions, numbers, cell, repeats)
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_allclose(found, lengths[once][order], atol=1e-9)


def test_memory_is_little_more_than_that_of_the_bonds() -> None:
    edge = 12.885 * 5
    random = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(*[np.arange(27)] * 3), axis=-1).reshape(-1, 3) * (edge / 27)
    positions = grid + random.normal(0.0, 0.3, grid.shape)
    tracemalloc.start()
    stability.bonds_by_distance(positions, np.full(len(grid), 6), np.diag([edge] * 3), np.full(3, True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * len(grid)  # ASE's search: ten times as much
