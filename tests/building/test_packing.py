"""Packing: the overlap and its derivatives against finite differences, and molecules that are parted in any cell."""

from __future__ import annotations

import numpy as np
import pytest
from ase.geometry import cellpar_to_cell
from scipy.spatial.transform import Rotation

from lamplighter.building.cells import FilledBox
from lamplighter.building.contents import Contents, Copies
from lamplighter.building.overlap import Overlap
from lamplighter.building.packing import pack
from lamplighter.building.separation import between_molecules
from lamplighter.errors import StructureError

ROD = np.array([[-1.5, 0.0, 0.0], [0.0, 0.3, 0.0], [1.5, -0.3, 0.0]])
RODS = Copies(np.array([1.0, 1.2, 1.0]), ROD, 12, bonds=[(0, 1), (1, 2)])
TILTED = FilledBox(np.array(cellpar_to_cell([9.0, 10.0, 11.0, 75, 100, 60])))
THIN = FilledBox(np.diag([60.0, 60.0, 20.0]), (9.0, 11.0))
SLAB = FilledBox(np.diag([8.0, 8.0, 20.0]), (5.0, 13.0))


@pytest.mark.parametrize("box", [TILTED, SLAB])
def test_the_derivatives_of_the_overlap_are_its_finite_differences(box: FilledBox) -> None:
    random = np.random.default_rng(3)
    contents = Contents.of([RODS, Copies(np.array([1.5]), np.zeros((1, 3)), 3)])
    overlap = Overlap(contents, contents.shapes, box, margin=1.02)
    variables = overlap.variables(random.uniform(size=(contents.n_molecules, 3)) @ box.cell)
    variables[len(variables) // 2 :] = random.normal(0.0, 2.0, len(variables) // 2)  # far from no rotation
    value, slopes = overlap(variables)
    assert value > 10.0
    for place in random.choice(len(variables), 12, replace=False):
        step = np.zeros_like(variables)
        step[place] = 1e-5
        difference = (overlap(variables + step)[0] - overlap(variables - step)[0]) / 2e-5
        assert slopes[place] == pytest.approx(difference, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("box", [TILTED, SLAB, THIN, FilledBox(np.diag([4.0, 6.0, 40.0]))])
def test_molecules_stay_as_they_are_and_keep_apart(box: FilledBox) -> None:
    packed = pack([RODS], box, seed=2)
    molecules = packed.positions.reshape(12, 3, 3)
    for each in molecules:  # the same rod, turned
        turn, _ = Rotation.align_vectors(each - each.mean(axis=0), ROD - ROD.mean(axis=0))
        np.testing.assert_allclose(turn.apply(ROD - ROD.mean(axis=0)), each - each.mean(axis=0), atol=1e-9)
    contacts = between_molecules(packed.positions, box.cell, np.arange(36) // 3, 4.0)
    apart = np.tile([1.0, 1.2, 1.0], 12)[contacts.pairs].sum(axis=1)
    assert (contacts.distances >= apart).all()
    assert packed.nearest == pytest.approx(min(contacts.nearest, 2.4 + 1.0))
    middles = molecules.mean(axis=1) @ np.linalg.inv(box.cell)
    assert middles.min() >= 0.0
    assert middles.max() < 1.0
    if box.filled is not None:
        assert box.filled[0] <= packed.positions[:, 2].min() <= packed.positions[:, 2].max() <= box.filled[1]


def test_a_box_that_is_too_full_is_refused_with_the_atoms_that_stay_too_near() -> None:
    with pytest.raises(StructureError, match=r"no room .* atoms \d+ and \d+ .*, less than 2\.\d+ Å; lower the density"):
        pack([RODS], FilledBox(np.diag([5.0, 5.0, 5.0])), seed=1)
