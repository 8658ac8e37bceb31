"""Molecules of a volume scan stay as they are while the liquid is expanded and compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import read

from lamplighter.analysis.stability import bonds_by_distance
from lamplighter.analysis.volume_scan import molecules_for_scan
from lamplighter.errors import StructureError
from lamplighter.structures.rigid_scan import (
    closest_contact,
    density_of,
    isolated_molecules,
    rigid_scan,
    scaled_rigidly,
)

LIQUID = Path(__file__).parents[2] / "examples" / "ec_emc" / "structures" / "ec_emc_160.xyz"
DENSITIES = [0.1, 0.4, 0.92, 1.5, 2.5]


@pytest.fixture(scope="module")
def liquid() -> Atoms:
    """EC:EMC, wrapped, so that the cell cuts molecules."""
    atoms = read(LIQUID)
    atoms.wrap()
    return atoms


def lengths_within(atoms: Atoms, of_molecule: np.ndarray) -> np.ndarray:
    """All distances within molecules, without the cell."""
    found = []
    for k in range(of_molecule.max() + 1):
        places = atoms.positions[of_molecule == k]
        found.append(np.linalg.norm(places[:, None] - places[None], axis=2).ravel())
    return np.concatenate(found)


def test_molecules_keep_their_geometry_to_1e_10(liquid: Atoms) -> None:
    whole, found = molecules_for_scan(liquid)
    assert dict(zip(found.names, found.counts(), strict=True)) == {"C3H4O3": 4, "C4H8O3": 8}
    pairs, _ = bonds_by_distance(liquid.positions, liquid.numbers, liquid.cell.array, np.ones(3, dtype=bool))
    given = liquid.get_distances
    bonds = np.array([given(i, j, mic=True)[0] for i, j in pairs])
    for frame, density in zip(rigid_scan(whole, found.of_atom, DENSITIES), DENSITIES, strict=True):
        assert density_of(frame) == pytest.approx(density, rel=1e-12)
        across = frame.positions[pairs[:, 1]] - frame.positions[pairs[:, 0]]
        np.testing.assert_allclose(np.linalg.norm(across, axis=1), bonds, rtol=0.0, atol=1e-10)
        kept = lengths_within(frame, found.of_atom) - lengths_within(whole, found.of_atom)
        assert np.abs(kept).max() < 1e-10


def test_centres_of_mass_scale_with_the_cell(liquid: Atoms) -> None:
    whole, found = molecules_for_scan(liquid)
    frame = scaled_rigidly(whole, found.of_atom, 1.3)
    for k in range(len(found)):
        mine = found.of_atom == k
        before, after = whole[mine].get_center_of_mass(), frame[mine].get_center_of_mass()
        np.testing.assert_allclose(after, 1.3 * before, atol=1e-10)
    np.testing.assert_allclose(frame.cell.array, 1.3 * liquid.cell.array, rtol=1e-14)
    assert not all(scaled_rigidly(whole, found.of_atom, 1.0).positions.ravel() != whole.positions.ravel())


def test_the_image_of_a_molecule_is_scaled_alike(liquid: Atoms) -> None:
    """Which image of a molecule is taken makes no difference to distances between molecules."""
    whole, found = molecules_for_scan(liquid)
    moved = whole.copy()
    moved.positions[found.of_atom == 3] += liquid.cell.array[0] - liquid.cell.array[2]
    first, second = (scaled_rigidly(each, found.of_atom, 1.2) for each in (whole, moved))
    np.testing.assert_allclose(first.get_all_distances(mic=True), second.get_all_distances(mic=True), atol=1e-9)


def test_a_tilted_cell_scales_too() -> None:
    atoms = Atoms("Ar2", [[0, 0, 0], [3, 1, 2]], cell=[[8, 0, 0], [3, 7, 0], [1, -2, 9]], pbc=True)
    whole, found = molecules_for_scan(atoms, atomic=True)
    frame = scaled_rigidly(whole, found.of_atom, 0.9)
    np.testing.assert_allclose(frame.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-12)


def test_isolated_molecules_are_the_same_molecules(liquid: Atoms) -> None:
    whole, found = molecules_for_scan(liquid)
    alone = isolated_molecules(whole, found.of_atom)
    assert [each.get_chemical_formula("hill") for each in alone] == [found.names[k] for k in found.species]
    together = np.concatenate([each.get_all_distances().ravel() for each in alone])
    np.testing.assert_allclose(together, lengths_within(whole, found.of_atom), atol=1e-12)
    assert not any(each.pbc.any() for each in alone)


def test_the_closest_contact_is_that_of_ase(liquid: Atoms) -> None:
    whole, found = molecules_for_scan(liquid)
    frame = scaled_rigidly(whole, found.of_atom, 0.97)
    distances = frame.get_all_distances(mic=True)
    distances[found.of_atom[:, None] == found.of_atom[None]] = np.inf
    contact = closest_contact(frame, found.of_atom)
    assert contact.distance == pytest.approx(distances.min(), abs=1e-10)
    assert {contact.first, contact.second} == set(np.unravel_index(distances.argmin(), distances.shape))
    thin = scaled_rigidly(whole, found.of_atom, 4.0)
    assert closest_contact(thin, found.of_atom).distance == float("inf")


def test_a_molecule_touches_its_own_image() -> None:
    water = molecule("H2O", cell=[3.0, 20, 20], pbc=True)
    whole, found = molecules_for_scan(water)
    contact = closest_contact(whole, found.of_atom)
    across = water.positions[None] + np.array([3.0, 0, 0]) - water.positions[:, None]
    assert contact.distance == pytest.approx(np.linalg.norm(across, axis=2).min(), abs=1e-10)


def test_what_cannot_be_scanned_is_refused(liquid: Atoms) -> None:
    whole, found = molecules_for_scan(liquid)
    pair = Atoms("H2", [[0, 0, 0], [0.0, 0.0, 0.5]], cell=[10, 10, 10], pbc=True)
    with pytest.raises(StructureError, match=r"atoms \d \(H\) and \d \(H\) of .* molecules are 0\.05 Å apart.*at less"):
        rigid_scan(pair, np.array([0, 1]), [0.01, density_of(pair) * 10.0**3])
    with pytest.raises(StructureError, match=r"densities must lie between 0 and 25 g/cm³, got 30"):
        rigid_scan(whole, found.of_atom, [1.0, 30.0])
    with pytest.raises(StructureError, match=r"no bonds were found.*--atomic"):
        molecules_for_scan(Atoms("Ar2", [[0, 0, 0], [5, 5, 5]], cell=[10, 10, 10], pbc=True))
    open_ = whole.copy()
    open_.pbc = [True, True, False]
    with pytest.raises(StructureError, match="periodic in all three directions"):
        rigid_scan(open_, found.of_atom, [1.0])
    chain = Atoms("C4", [[x, 0, 0] for x in (0.0, 1.5, 3.0, 4.5)], cell=[6.0, 10, 10], pbc=True)
    with pytest.raises(StructureError, match="a molecule without an end"):
        molecules_for_scan(chain)
