"""Which atoms are bonded: metal ions are apart from molecules; metals, oxides, organometallic molecules are whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.spacegroup import crystal

from lamplighter.analysis.bonding import BondRule, rule_of_file
from lamplighter.analysis.molecules import in_words, molecules
from lamplighter.bond_words import read_bond_words
from lamplighter.errors import TrajectoryError

AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)


def found(atoms: Atoms, rule: BondRule | None = None) -> str:
    """The molecules of a structure in words."""
    pairs, _ = (rule or BondRule()).find(
        atoms.positions, atoms.numbers.astype(np.int64), atoms.cell.array, np.asarray(atoms.pbc)
    )
    return in_words(molecules(pairs, atoms.numbers, atoms.get_masses()))


def solvated(ion: str, solvent: str, distance: float, n: int) -> Atoms:
    """An ion with the oxygens of n solvent molecules at a distance, Å."""
    made = Atoms(ion, [[0, 0, 0]])
    for axis in AXES[:n]:
        each = molecule(solvent)
        each.translate(-each.positions[each.symbols == "O"][0])
        each.rotate(each.get_center_of_mass(), axis)
        each.translate(distance * axis)
        made += each
    return made


def complex_of(centre: str, ligand: str, distance: float, axes: Sequence[Sequence[float]] = AXES) -> Atoms:
    unit = np.array(axes) / np.linalg.norm(axes, axis=1)[:, None]
    return Atoms([centre] + [ligand] * len(axes), np.vstack([[0, 0, 0], distance * unit]))


def ferrocene() -> Atoms:
    made = Atoms("Fe", [[0, 0, 0]])
    for height in (1.66, -1.66):
        for angle in np.arange(5) * 2 * np.pi / 5:
            around = np.array([np.cos(angle), np.sin(angle), 0.0])
            made += Atoms("CH", [1.2 * around + [0, 0, height], 2.28 * around + [0, 0, height]])
    return made


TETRAHEDRON = [[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]


@pytest.mark.parametrize(
    ("ion", "distance"),
    # distances to oxygen of water: Y. Marcus, Chem. Rev. 88, 1475 (1988)
    list(
        zip(
            ["Li", "Na", "K", "Mg", "Ca", "Al", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Cd", "Ag", "La"],
            (2.08, 2.36, 2.80, 2.09, 2.42, 1.89, 2.19, 2.11, 2.10, 2.06, 1.97, 2.10, 2.30, 2.40, 2.52),
            strict=True,
        )
    ),
)
def test_an_aqua_ion_is_an_ion_and_its_waters(ion: str, distance: float) -> None:
    assert found(solvated(ion, "H2O", distance, 6)) == f"1 {ion}, 6 H2O"


def test_lithium_in_a_carbonyl_solvent() -> None:
    lithium = solvated("Li", "H2CO", 1.95, 4)
    assert found(lithium) == "1 Li, 4 CH2O"
    assert found(lithium, BondRule(ions="none")) == "1 C4H8LiO4"


def test_platinum_holds_what_zinc_lets_go() -> None:
    assert found(solvated("Pt", "H2O", 2.02, 4)) == "1 H8O4Pt"


def test_ions_of_several_atoms_are_whole() -> None:
    assert found(complex_of("P", "F", 1.6)) == "1 F6P"
    assert found(complex_of("Al", "Cl", 2.13, TETRAHEDRON)) == "1 AlCl4"
    pair = complex_of("P", "F", 1.6) + Atoms("Li", [[1.6 + 1.85, 0, 0]])
    assert found(pair) == "1 F6P, 1 Li"


def test_a_contact_ion_pair_beside_molecules_is_two_ions() -> None:
    pair = solvated("Na", "H2O", 2.36, 5) + Atoms("Cl", [[0, 0, -2.75]])
    assert found(pair) == "1 Na, 5 H2O, 1 Cl"


def test_organometallic_molecules_are_whole() -> None:
    assert found(ferrocene()) == "1 C10H10Fe"
    carbonyl = complex_of("Ni", "C", 1.82, TETRAHEDRON)
    carbonyl += Atoms("O4", 2.95 * np.array(TETRAHEDRON) / np.sqrt(3))
    assert found(carbonyl) == "1 C4NiO4"


@pytest.mark.parametrize("metal", ["La", "Y", "Cd", "Pb"])
def test_a_chelating_carboxylate_is_not_bonded_through_its_carbon(metal: str) -> None:
    """Its carbon lies nearer to a large ion than their covalent radii, but holds nothing."""
    formate = Atoms("COOH", [[2.85, 0, 0], [2.25, 1.1, 0], [2.25, -1.1, 0], [3.95, 0, 0]])
    assert found(Atoms(metal, [[0, 0, 0]]) + formate) == f"1 {metal}, 1 CHO2"


def test_crystals_without_molecules_are_one_and_salts_of_molecular_ions_are_many() -> None:
    for name, lattice, a in (("NaCl", "rocksalt", 5.64), ("LiF", "rocksalt", 4.03), ("MgO", "rocksalt", 4.21)):
        assert found(bulk(name, lattice, a, cubic=True) * (2, 2, 2)).startswith("1 ")
    for name in ("Cu", "Na", "Zn"):
        assert found(bulk(name) * (4, 4, 4)) == f"1 {name}64" if name != "Zn" else True
    rutile = crystal(
        ["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90]
    )
    assert found(rutile * (2, 2, 3)) == "1 O48Ti24"
    calcite = crystal(
        ["Ca", "C", "O"], [(0, 0, 0), (0, 0, 0.25), (0.2578, 0, 0.25)], spacegroup=167,
        cellpar=[4.99, 4.99, 17.06, 90, 90, 120],
    )  # fmt: skip
    assert found(calcite * (2, 2, 1)) == "24 Ca, 24 CO3"


def test_water_on_a_metal_is_not_bonded_to_it_and_carbon_monoxide_is() -> None:
    slab = fcc111("Cu", (3, 3, 3), vacuum=8)
    top = slab.positions[-1]
    water = molecule("H2O")
    water.translate(top - water.positions[0] + 2.2 * AXES[4])
    assert found(slab + water) == "1 Cu27, 1 H2O"
    assert found(slab + Atoms("CO", [top + 1.85 * AXES[4], top + 3.0 * AXES[4]])) == "1 CCu27O"


def test_the_user_has_the_last_word(tmp_path: Path) -> None:
    zinc = solvated("Zn", "H2O", 2.1, 4)  # 1 is zinc; oxygens are 2, 5, 8, 11

    def said(bonded: str = "", unbonded: str = "") -> str:
        rule = BondRule(bonded=read_bond_words(bonded.split()), unbonded=read_bond_words(unbonded.split()))
        return found(zinc, rule)

    assert said(bonded="Zn-O") == "1 H8O4Zn"
    assert said(bonded="1-5") == "1 H2OZn, 3 H2O"
    assert said(bonded="Zn-O", unbonded="1-2") == "1 H6O3Zn, 1 H2O"
    assert said(unbonded="O-H") == "1 Zn, 4 O, 8 H"
    assert said(bonded="2-5").startswith("1 Zn, 1 H4O2")  # at any distance
    bonds = tmp_path / "bonds.txt"
    bonds.write_text("# one water and a bond to zinc\n2 3\n4 2\n1 2\n")
    assert found(zinc, rule_of_file(bonds)).startswith("1 H2OZn, ")
    data = tmp_path / "water.data"
    data.write_text(
        "water\n\n3 atoms\n2 bonds\n0 9 xlo xhi\n\nAtoms # full\n\n1 1 1 0 0 0 0\n\nBonds\n\n1 1 2 3\n2 1 2 4\n"
    )
    np.testing.assert_array_equal(rule_of_file(data).listed, [[2, 3], [2, 4]])
    with pytest.raises(TrajectoryError, match="names atom 99"):
        found(zinc, BondRule(bonded=read_bond_words(["1-99"])))
    for wrong in ("Xx", "Li-", "3", "5-5", "Li-3"):
        with pytest.raises(ValueError, match=wrong):
            read_bond_words([wrong])


def test_ions_cross_a_trajectory_as_ions() -> None:
    """A lithium that changes its solvent makes and breaks no molecule."""
    from lamplighter.analysis.integrity import IntegrityCheck
    from lamplighter.analysis.pairs_within import pairs_within

    atoms = solvated("Li", "H2CO", 1.95, 4)
    check = IntegrityCheck(atoms.numbers.astype(np.int64), atoms.get_masses())
    box, closed = 30.0 * np.eye(3), np.ones(3, dtype=bool)
    for frame, shift in enumerate((0.0, 0.4, 3.0)):
        positions = atoms.positions.copy()
        positions[0] += [shift, shift, shift]
        check.add(frame, float(frame), *pairs_within(positions, box, closed, check.reach))
    made = check.result()
    assert [census.counts for census in made.censuses] == [{"Li": 1, "CH2O": 4}]
    assert all(a.bonds_lost == b.bonds_lost for a, b in pairwise(made.censuses))
