"""Radial distributions, bond lengths and molecules: against MDAnalysis, numpy, and cases computed by hand."""

from __future__ import annotations

import math
import warnings

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from lamplighter.analysis import stability
from lamplighter.analysis.bond_statistics import BondLengths, differences
from lamplighter.analysis.integrity import IntegrityCheck
from lamplighter.analysis.pairs_within import half_width, pairs_within
from lamplighter.analysis.radial_distribution import RadialDistributions, first_shell
from lamplighter.analysis.series import mean_with_error
from lamplighter.analysis.streamed_blocks import StreamedBlocks, errors_of_means

from .synthetic import ar1

MDAnalysis = pytest.importorskip("MDAnalysis")
PERIODIC = np.ones(3, dtype=bool)


def water_boxes(n_frames: int, n: int = 40, seed: int = 0) -> list[Atoms]:
    """Water molecules anywhere in a cell that breathes; atoms of a molecule are not wrapped."""
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(n_frames):
        edge = 11.0 + 0.2 * math.sin(k)
        atoms = Atoms(cell=[edge, edge * 1.1, edge], pbc=True)
        for _ in range(n):
            water = ase.build.molecule("H2O")
            water.rotate(360.0 * rng.random(), rng.standard_normal(3))
            water.positions += rng.random(3) * 3 * edge - edge + 0.05 * rng.standard_normal((3, 3))
            atoms += water
        frames.append(atoms)
    return frames


def distributions(frames: list[Atoms], n: int, r_max: float = 5.0, bin_width: float = 0.1) -> RadialDistributions:
    made = RadialDistributions(frames[0].numbers, np.repeat(np.arange(n), 3), r_max, bin_width)
    for atoms in frames:
        pairs, distances = pairs_within(atoms.positions, atoms.cell.array, atoms.pbc, r_max)
        made.add(pairs, distances, atoms.get_volume())
    return made


@pytest.mark.parametrize("kind", ["all", "inter"])
def test_radial_distributions_equal_those_of_mdanalysis(kind: str) -> None:
    from MDAnalysis.analysis.rdf import InterRDF

    n, frames = 40, water_boxes(6)
    universe = MDAnalysis.Universe.empty(3 * n, n_residues=n, atom_resindex=np.repeat(np.arange(n), 3), trajectory=True)
    universe.add_TopologyAttr("name", frames[0].get_chemical_symbols())
    universe.load_new(
        np.array([atoms.get_positions(wrap=True) for atoms in frames]),
        dimensions=np.array([atoms.cell.cellpar() for atoms in frames]),
    )
    made = {each.pair: each for each in distributions(frames, n).results(kind)}
    assert list(made) == [("H", "H"), ("H", "O"), ("O", "O")]
    for pair, ours in made.items():
        groups = [universe.select_atoms(f"name {name}") for name in pair]
        n_a, n_b = (len(group) for group in groups)
        options = {"exclude_same": "residue"} if kind == "inter" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = InterRDF(*groups, nbins=50, range=(0.0, 5.0), norm="rdf", **options).run().results
        counts = theirs.count.copy()
        if kind == "all" and pair[0] == pair[1]:
            counts[0] -= n_a * len(frames)  # each atom with itself
        equal = n_a if pair[0] == pair[1] else 0  # it divides by N², g(r) of an ideal gas would not be 1
        expected = theirs.rdf * counts / np.where(theirs.count > 0, theirs.count, 1) * n_a * n_b / (n_a * n_b - equal)
        np.testing.assert_allclose(ours.g, expected, rtol=1e-6)  # its volume is in single precision
        np.testing.assert_allclose(ours.coordination, np.cumsum(counts) / n_a / len(frames), rtol=1e-12)


def test_pairs_are_those_of_ase_in_any_cell() -> None:
    rng = np.random.default_rng(3)
    for cell, periodic in (
        (np.array([[9.0, 0, 0], [2.5, 10, 0], [-1.5, 3.0, 8.5]]), [1, 1, 1]),
        (np.array([[0.0, 9.0, 0], [0, 0, 9.5], [10.0, 1.0, 2.0]]), [1, 1, 1]),  # not as LAMMPS turns it
        (np.diag([9.0, 9.5, 10.0]), [1, 0, 1]),
        (np.diag([0.0, 0.0, 0.0]), [0, 0, 0]),
    ):
        positions = 30.0 * rng.random((150, 3)) if cell.any() else 12.0 * rng.random((150, 3))
        flags = np.array(periodic, dtype=bool)
        reach = min(3.9, half_width(cell, flags))
        pairs, distances = pairs_within(positions, cell, flags, reach)
        atoms = Atoms("H150", positions=positions, cell=cell, pbc=flags)
        first, second, expected = neighbor_list("ijd", atoms, reach)
        once = first < second
        assert len(pairs) == once.sum() > 50
        np.testing.assert_allclose(np.sort(distances), np.sort(expected[once]), atol=1e-5)
        ours = set(map(tuple, np.sort(pairs, axis=1).tolist()))
        assert ours == set(zip(first[once].tolist(), second[once].tolist(), strict=True))


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2]], ids=["right-handed", "left-handed"])
def test_pairs_up_to_half_of_a_tilted_cell_are_those_of_all_its_images(order: list[int]) -> None:
    cell = np.array([[12.0, 0.0, 0.0], [5.0, 11.0, 0.0], [-4.0, 5.0, 10.0]])[order]
    positions = np.random.default_rng(5).random((300, 3)) @ cell
    reach = 0.999 * half_width(cell, PERIODIC)
    pairs, distances = pairs_within(positions, cell, PERIODIC, reach)
    expected = np.full((300, 300), np.inf)
    for image in np.ndindex(5, 5, 5):
        apart = positions[None] - positions[:, None] + (np.array(image) - 2) @ cell
        expected = np.minimum(expected, np.linalg.norm(apart, axis=-1))
    first, second = np.nonzero(np.triu(expected < reach, 1))
    assert set(map(tuple, pairs.tolist())) == set(zip(first.tolist(), second.tolist(), strict=True))
    np.testing.assert_allclose(distances, expected[pairs[:, 0], pairs[:, 1]], atol=1e-4)


def test_within_and_between_molecules_add_up() -> None:
    made = distributions(water_boxes(3), 40)
    for whole, between, within in zip(*(made.results(kind) for kind in ("all", "inter", "intra")), strict=True):
        np.testing.assert_allclose(whole.g, between.g + within.g)
        np.testing.assert_allclose(whole.coordination, between.coordination + within.coordination)
    _, oxygen, _ = made.results("intra")
    assert oxygen.pair == ("H", "O")
    assert oxygen.coordination[-1] == pytest.approx(1.0)  # each H has one O
    assert oxygen.coordination[-1] * oxygen.reverse == pytest.approx(2.0)


def test_an_ideal_gas_has_no_structure_and_honest_error_bars() -> None:
    rng = np.random.default_rng(0)
    made = RadialDistributions(np.full(120, 18), np.arange(120), 5.0, 0.25)
    for _ in range(400):
        positions = 10.0 * rng.random((120, 3))
        made.add(*pairs_within(positions, np.eye(3) * 10.0, PERIODIC, 5.0), 1000.0)
    (gas,) = made.results("all")
    pulls = (gas.g - 1.0)[2:] / gas.g_error[2:]
    assert np.isfinite(pulls).all()
    assert 0.5 < np.sqrt(np.mean(pulls**2)) < 1.5
    expected = 119 / 1000.0 * 4 / 3 * math.pi * 5.0**3
    assert gas.coordination[-1] == pytest.approx(expected, abs=4 * gas.coordination_error[-1])


def test_the_first_shell_of_a_known_curve() -> None:
    edges = np.arange(0, 8.01, 0.05)
    r = 0.5 * (edges[1:] + edges[:-1])
    g = 2.5 * np.exp(-(((r - 3.0) / 0.2) ** 2)) + 1.3 * np.exp(-(((r - 5.5) / 0.6) ** 2)) + 0.02
    shell = first_shell(edges, g, np.cumsum(g), np.zeros_like(g))
    assert shell is not None
    assert shell.peak == pytest.approx(3.0, abs=0.03)
    assert 3.6 < shell.minimum < 4.2
    assert shell.coordination == pytest.approx(np.cumsum(g)[np.searchsorted(r, shell.minimum - 1e-9)])
    assert first_shell(edges, np.ones_like(g), g, g) is None
    one = first_shell(edges, np.exp(-(((r - 3.0) / 0.2) ** 2)), g, g)
    assert one is not None
    assert math.isnan(one.minimum)


def test_blocks_of_a_stream_are_those_of_the_whole() -> None:
    x = ar1(0.9, 5000, 1)
    blocks = StreamedBlocks(32)
    for value in x:
        blocks.add(np.array([value]))
    assert blocks.mean()[0] == pytest.approx(x.mean())
    means = blocks.blocks()[:, 0]
    size = blocks.frames_a_block
    assert 32 <= len(means) < 64
    np.testing.assert_allclose(means, x[: len(means) * size].reshape(-1, size).mean(axis=1))
    assert errors_of_means(blocks.blocks())[0] == pytest.approx(mean_with_error(x).standard_error, rel=0.35)


def test_errors_from_blocks_cover_the_truth_68_percent_of_the_time() -> None:
    covered = []
    for seed in range(250):
        blocks = StreamedBlocks(32)
        for value in ar1(0.8, 1500, seed):
            blocks.add(np.array([value]))
        covered.append(abs(blocks.mean()[0]) <= errors_of_means(blocks.blocks())[0])
    assert 0.60 <= np.mean(covered) <= 0.76


def ethanol_bonds() -> tuple[Atoms, np.ndarray, np.ndarray]:
    atoms = ase.build.molecule("CH3CH2OH")
    pairs, lengths = stability.bonds_by_distance(
        atoms.positions, np.asarray(atoms.numbers, dtype=np.int64), np.zeros((3, 3)), np.zeros(3, dtype=bool)
    )
    return atoms, pairs, lengths


def test_bond_classes_have_the_mean_and_width_of_their_lengths() -> None:
    atoms, pairs, first = ethanol_bonds()
    rng = np.random.default_rng(0)
    rows = first + 0.03 * rng.standard_normal((900, len(first)))
    made = BondLengths(pairs, atoms.numbers, first)
    for row in rows:
        made.add(row)
    classes = {each.name: each for each in made.by_class()}
    assert {name: each.n_bonds for name, each in classes.items()} == {
        "C4–C4": 1, "C4–O2": 1, "H1–O2": 1, "C4–H1": 5,
    }  # fmt: skip
    symbols = np.array(atoms.get_chemical_symbols())[pairs]
    hydrogens = rows[:, (np.sort(symbols, axis=1) == ["C", "H"]).all(axis=1)]
    found = classes["C4–H1"]
    assert found.mean.value == pytest.approx(hydrogens.mean(), abs=1e-12)
    assert found.standard_deviation.value == pytest.approx(hydrogens.std(), abs=1e-10)
    assert found.mean.standard_error == pytest.approx(0.03 / math.sqrt(4500), rel=0.3)
    assert found.standard_deviation.standard_error == pytest.approx(0.03 / math.sqrt(9000), rel=0.3)
    width = found.edges[1] - found.edges[0]
    assert found.density.sum() * width == pytest.approx(1.0)
    histogram, _ = np.histogram(hydrogens, bins=found.edges, density=True)
    np.testing.assert_allclose(found.density, histogram, atol=0.3)
    plain = {each.name: each for each in made.by_elements()}
    assert set(plain) == {"C–C", "C–H", "C–O", "H–O"}
    assert plain["C–H"].mean == found.mean


def test_classes_of_one_pair_of_elements_are_put_together() -> None:
    """Carbonyl and ether bonds are two classes and one pair of elements."""
    atoms = ase.build.molecule("HCOOCH3")
    pairs, first = stability.bonds_by_distance(
        atoms.positions, np.asarray(atoms.numbers, dtype=np.int64), np.zeros((3, 3)), np.zeros(3, dtype=bool)
    )
    rows = first + 0.02 * np.random.default_rng(1).standard_normal((200, len(first)))
    made = BondLengths(pairs, atoms.numbers, first)
    for row in rows:
        made.add(row)
    together = next(each for each in made.by_elements() if each.name == "C–O")
    mine = rows[:, [set(atoms.symbols[pair]) == {"C", "O"} for pair in pairs]]
    assert together.n_bonds == mine.shape[1] == 3
    assert together.mean.value == pytest.approx(mine.mean(), abs=1e-12)
    assert together.standard_deviation.value == pytest.approx(mine.std(), abs=1e-9)
    histogram, _ = np.histogram(mine, bins=together.edges)
    assert np.abs(np.cumsum(together.density * 0.005 * mine.size - histogram)).max() <= 3


def test_a_softer_bond_is_seen_with_its_error() -> None:
    atoms, pairs, first = ethanol_bonds()
    made = []
    for seed, width in ((0, 0.04), (1, 0.03)):
        rng = np.random.default_rng(seed)
        lengths = BondLengths(pairs, atoms.numbers, first)
        for _ in range(2000):
            lengths.add(first + (0.01 if seed == 0 else 0.0) + width * rng.standard_normal(len(first)))
        made.append(lengths.by_class())
    soft = next(each for each in differences(*made) if each.name == "C4–H1")
    assert soft.shift == pytest.approx(0.01, abs=4 * soft.shift_error)
    assert soft.width_ratio == pytest.approx(4 / 3, abs=4 * soft.width_ratio_error)
    assert soft.stiffness_ratio == pytest.approx(9 / 16, abs=4 * soft.stiffness_ratio_error)
    assert soft.stiffness_ratio_error < 0.03
    hot = next(each for each in differences(*made, temperature_ratio=16 / 9) if each.name == "C4–H1")
    assert hot.stiffness_ratio == pytest.approx(1.0, abs=4 * hot.stiffness_ratio_error)


def test_a_molecule_that_falls_apart_is_told_and_one_that_vibrates_is_not() -> None:
    atoms = ase.build.molecule("CH4")
    numbers, masses = np.asarray(atoms.numbers, dtype=np.int64), atoms.get_masses()
    check = IntegrityCheck(numbers, masses)
    for frame, stretch in enumerate([1.0, 1.25, 1.0, 1.3, 1.5, 3.0, 1.2, 1.0]):
        moved = atoms.positions.copy()
        moved[1] *= stretch
        check.add(frame, 0.1 * frame, *pairs_within(moved, np.zeros((3, 3)), np.zeros(3, dtype=bool), 3.0))
    found = check.result()
    assert found.n_frames == 8
    assert [each.frame for each in found.censuses] == [0, 4, 7]  # at 1.2 it is not bonded again, at 1.0 it is
    assert found.first_change is not None
    assert found.first_change.counts == {"CH3": 1, "H": 1}
    assert (found.first_change.bonds_lost, found.first_change.bonds_new) == (1, 0)
    assert found.gained_and_lost(found.first_change) == {"CH4": -1, "CH3": 1, "H": 1}
    assert found.n_changed_frames == 3
    assert found.gained_and_lost(found.censuses[-1]) == {}


def test_an_exchanged_hydrogen_changes_bonds_but_no_molecule() -> None:
    """H of one HF passes to the other F and back: the species are the same, the bonds are not."""
    numbers, masses = np.array([9, 1, 9, 1]), np.array([19.0, 1.0, 19.0, 1.0])
    check = IntegrityCheck(numbers, masses)
    first = np.array([[0.0, 0, 0], [0.93, 0, 0], [5, 0, 0], [5.93, 0, 0]])
    swapped = first[[0, 3, 2, 1]]
    for frame, positions in enumerate([first, swapped]):
        check.add(frame, None, *pairs_within(positions, np.zeros((3, 3)), np.zeros(3, dtype=bool), 3.0))
    found = check.result()
    assert found.first_change is None
    assert (found.censuses[1].bonds_lost, found.censuses[1].bonds_new) == (2, 2)
