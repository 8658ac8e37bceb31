"""Forces that move, turn and deform molecules; molecules across the cell; inside and between molecules."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.geometry import find_mic
from ase.io import read

from lamplighter.analysis.isolated_molecules import intermolecular, intramolecular, isolated_molecules
from lamplighter.analysis.model_errors import label_arrays
from lamplighter.analysis.molecular_forces import molecular_forces
from lamplighter.analysis.stability import bonds_by_distance
from lamplighter.analysis.whole_molecules import whole_molecules
from lamplighter.errors import StructureError
from lamplighter.structures.labels import Labels, unknown_stress

LIQUID = Path(__file__).parents[2] / "examples" / "ec_emc" / "data" / "liquid_test.xyz"


@pytest.fixture(scope="module")
def liquid() -> Atoms:
    return read(LIQUID, 12)


def test_parts_sum_to_the_force_and_carry_what_they_should(liquid: Atoms) -> None:
    found = isolated_molecules([liquid])
    forces = liquid.arrays["forces_xtb"]
    parts = molecular_forces(forces, found.positions, found.masses, found.of_atom)
    np.testing.assert_allclose(sum(parts.parts().values()), forces, rtol=0, atol=1e-12)
    for k in range(len(found.molecules)):
        atoms = found.of_atom == k
        centre = np.average(found.positions[atoms], axis=0, weights=found.masses[atoms])
        arm = found.positions[atoms] - centre
        # the whole force is in the translational part, the whole torque in the rotational one
        np.testing.assert_allclose(parts.translational[atoms].sum(axis=0), forces[atoms].sum(axis=0), atol=1e-12)
        np.testing.assert_allclose(parts.vibrational[atoms].sum(axis=0), 0.0, atol=1e-11)
        np.testing.assert_allclose(
            np.cross(arm, parts.rotational[atoms]).sum(axis=0), np.cross(arm, forces[atoms]).sum(axis=0), atol=1e-10
        )
        np.testing.assert_allclose(np.cross(arm, parts.vibrational[atoms]).sum(axis=0), 0.0, atol=1e-10)
    # orthogonal with weights 1/m, so that squares add up
    weight = 1.0 / found.masses[:, None]
    squares = [float((weight * part**2).sum()) for part in parts.parts().values()]
    assert sum(squares) == pytest.approx(float((weight * forces**2).sum()), rel=1e-10)


@pytest.mark.parametrize("name", ["CH3OH", "CO2", "H2O", "C2H6"])
def test_a_rigid_acceleration_deforms_nothing(name: str) -> None:
    rng = np.random.default_rng(1)
    atoms = molecule(name)
    atoms.rotate(50, [1, 2, 3])
    masses, centre = atoms.get_masses(), atoms.get_center_of_mass()
    turning = masses[:, None] * np.cross(rng.normal(size=3), atoms.positions - centre)
    moving = masses[:, None] * rng.normal(size=3)
    of_atom = np.zeros(len(atoms), dtype=np.int64)
    parts = molecular_forces(turning + moving, atoms.positions, masses, of_atom)
    np.testing.assert_allclose(parts.vibrational, 0.0, atol=1e-11)
    np.testing.assert_allclose(parts.rotational, turning, atol=1e-11)
    np.testing.assert_allclose(parts.translational, moving, atol=1e-11)


def test_a_stretched_bond_neither_moves_nor_turns_and_an_atom_only_moves() -> None:
    atoms = molecule("N2")
    along = atoms.positions[1] - atoms.positions[0]
    forces = np.array([-along, along, [1.0, 2.0, 3.0]])
    positions = np.vstack([atoms.positions, [9.0, 9.0, 9.0]])
    parts = molecular_forces(forces, positions, np.array([14.0, 14.0, 1.0]), np.array([0, 0, 1]))
    np.testing.assert_allclose(parts.vibrational[:2], forces[:2], atol=1e-12)
    np.testing.assert_allclose(parts.translational[2], forces[2], atol=1e-12)
    np.testing.assert_allclose(parts.rotational, 0.0, atol=1e-12)


def test_molecules_across_the_cell_are_those_of_mdanalysis(liquid: Atoms) -> None:
    import MDAnalysis

    wrapped = liquid.copy()
    wrapped.wrap()
    pairs, lengths = bonds_by_distance(
        wrapped.positions, wrapped.numbers.astype(np.int64), wrapped.cell.array, wrapped.pbc, 1.25
    )
    whole = whole_molecules(wrapped.positions, pairs, wrapped.cell.array, wrapped.pbc)
    np.testing.assert_allclose(np.linalg.norm(whole[pairs[:, 1]] - whole[pairs[:, 0]], axis=1), lengths, atol=1e-10)
    assert (np.abs(whole - wrapped.positions) > 1.0).any()  # the cell cut some
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(len(wrapped), trajectory=True)
        universe.atoms.positions = wrapped.positions
        universe.add_TopologyAttr("masses", wrapped.get_masses())
        universe.add_TopologyAttr("bonds", [tuple(pair) for pair in pairs])
        universe.dimensions = [*wrapped.cell.lengths(), *wrapped.cell.angles()]
        theirs = universe.atoms.unwrap(compound="fragments", reference=None, inplace=False)
    shift = whole - theirs  # the same but for whole molecules that are moved by cell vectors
    np.testing.assert_allclose(find_mic(shift, wrapped.cell, True)[0], 0.0, atol=1e-4)
    found = isolated_molecules([wrapped])
    for k in range(len(found.molecules)):
        np.testing.assert_allclose(np.ptp(shift[found.of_atom == k], axis=0), 0.0, atol=1e-4)


def test_a_chain_without_an_end_is_refused() -> None:
    chain = Atoms("C4", [[1.4 * k, 5, 5] for k in range(4)], cell=[5.6, 10, 10], pbc=True)
    with pytest.raises(StructureError, match=r"frame 0: atoms . and . are bonded through the cell"):
        isolated_molecules([chain])


def test_inter_is_total_less_each_molecule_alone() -> None:
    water, ammonia = molecule("H2O"), molecule("NH3")
    ammonia.translate([6.0, 0.0, 0.0])
    both = water + ammonia
    both.set_cell([20, 20, 20])
    both.pbc = True
    both.positions -= [0.0, 0.0, 0.2]
    both.wrap()
    mixed = both[[3, 0, 4, 1, 5, 2, 6]]  # atoms of both in turn: forces must find their places
    found = isolated_molecules([mixed, water])
    assert [str(each.symbols) for each in found.molecules] == ["NH3", "OH2", "OH2"]
    assert found.species == ["H3N", "H2O"]
    np.testing.assert_array_equal(found.counts, [[1, 1], [0, 1]])
    for each in found.molecules[:1]:
        assert each.get_distance(0, 1) == pytest.approx(molecule("NH3").get_distance(0, 1), abs=1e-10)
    forces = np.arange(21.0).reshape(7, 3)
    total = label_arrays([Labels(-10.0, forces, unknown_stress()), Labels(-3.0, np.ones((3, 3)), unknown_stress())])
    alone = label_arrays([Labels(-4.0, np.full((4, 3), 0.1), unknown_stress()),
                          Labels(-5.0, np.full((3, 3), 0.2), unknown_stress()),
                          Labels(-3.0, np.ones((3, 3)), unknown_stress())])  # fmt: skip
    intra = intramolecular(alone, total, found)
    inter = intermolecular(total, intra)
    np.testing.assert_allclose(inter.energies, [-1.0, 0.0])
    np.testing.assert_allclose(intra.forces[:7, 0], [0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1])
    np.testing.assert_allclose(inter.forces[:7] + intra.forces[:7], forces, atol=1e-12)
    np.testing.assert_allclose(inter.forces[7:], 0.0, atol=1e-12)
