"""Molecules that come too near, and rings that are threaded, against ASE's neighbour list and on paper."""

from __future__ import annotations

import numpy as np
import pytest
from ase.geometry import cellpar_to_cell
from ase.neighborlist import primitive_neighbor_list

from lamplighter.building.separation import between_molecules, threaded

CELLS = [[9.0, 10.0, 11.0, 90, 90, 90], [9.0, 10.0, 11.0, 70, 100, 55], [4.0, 30.0, 6.0, 90, 120, 90]]


@pytest.mark.parametrize("parameters", CELLS)
def test_contacts_are_those_of_a_neighbour_list(parameters: list[float]) -> None:
    rng = np.random.default_rng(1)
    cell = np.array(cellpar_to_cell(parameters))
    positions = rng.uniform(-1.0, 2.0, (40, 3)) @ cell  # some far outside of the cell
    positions[1::2] = positions[::2] + rng.normal(0.0, 0.5, (20, 3))
    molecule = np.arange(40) // 2
    found = between_molecules(positions, cell, molecule, 3.0)
    first, second, distance, steps = primitive_neighbor_list("ijdS", np.ones(3, dtype=bool), cell, positions, 3.0)
    own = (molecule[first] == molecule[second]) & (steps == 0).all(axis=1)
    kept = ~own & (first <= second)
    np.testing.assert_allclose(np.sort(found.distances), np.sort(distance[kept]), atol=1e-9)
    assert found.nearest == pytest.approx(distance[kept].min())


def test_a_molecule_that_meets_its_own_image_is_found() -> None:
    cell = np.diag([6.0, 20.0, 20.0])
    positions = np.array([[0.5, 1.0, 1.0], [5.5, 1.0, 1.0]])
    found = between_molecules(positions, cell, np.zeros(2, dtype=np.int64), 2.0)
    assert found.nearest == pytest.approx(1.0)
    assert between_molecules(positions, np.diag([9.0, 20.0, 20.0]), np.zeros(2, dtype=np.int64), 2.0).nearest == np.inf


@pytest.mark.parametrize("shift", [0.0, 7.0, 20.0])
def test_a_bond_through_a_ring_is_found_wherever_the_cell_cuts_it(shift: float) -> None:
    cell = np.diag([14.0, 14.0, 14.0])
    angles = np.radians(60.0 * np.arange(6))
    ring = 1.4 * np.stack([np.cos(angles), np.sin(angles), np.zeros(6)], axis=1) + 7.0
    through = np.array([[7.2, 7.1, 6.3], [7.2, 7.1, 7.8]])
    molecule = np.array([0] * 6 + [1] * 2)
    bonds = np.array([[i, (i + 1) % 6] for i in range(6)] + [[6, 7]])

    def found(rod: np.ndarray) -> list[tuple[int, int]]:
        positions = np.concatenate([ring, rod]) + shift
        positions[6:] -= 14.0 * (shift > 10.0)
        return threaded(positions, cell, bonds, [list(range(6))], molecule)

    assert found(through) == [(0, 6)]
    assert found(through + np.array([0.0, 0.0, 1.0])) == []  # above it
    assert found(through + np.array([2.0, 0.0, 0.0])) == []  # beside it
