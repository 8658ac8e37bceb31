"""The criteria of stability as functions of arrays: numbers that are known on paper."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ase.build import molecule

from lamplighter.analysis import stability
from lamplighter.analysis.reference_bonds import bonds_of
from lamplighter.analysis.stability_check import Limits, StabilityCheck, check_frames
from lamplighter.errors import CriterionError
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms

CUBE = np.eye(3) * 10.0
ALL = np.array([True, True, True])
NONE = ~ALL


def test_bonds_are_pairs_within_the_tolerance_of_their_covalent_radii() -> None:
    """Two carbon atoms (0.76 Å each) are bonded below 1.15 · 1.52 = 1.748 Å."""
    for gap, bonded in ((1.747, 1), (1.749, 0)):
        positions = np.array([[9.5, 5.0, 5.0], [9.5 + gap, 5.0, 5.0]])
        pairs, lengths = stability.bonds_by_distance(positions, np.array([6, 6]), CUBE, ALL)
        assert len(pairs) == bonded
        assert lengths == pytest.approx([gap] * bonded)
        inside = positions % 10.0  # through the box, where it is periodic
        assert len(stability.bonds_by_distance(inside, np.array([6, 6]), CUBE, ALL)[0]) == bonded
        assert len(stability.bonds_by_distance(inside, np.array([6, 6]), CUBE, NONE)[0]) == 0
    pairs, _ = stability.bonds_by_distance(np.array([[0, 0, 0], [1.8, 0, 0.0]]), np.array([6, 6]), CUBE, ALL, 1.2)
    assert pairs.tolist() == [[0, 1]]


def test_lengths_are_those_of_nearest_images_in_a_tilted_box() -> None:
    cell = np.array([[8.0, 0.0, 0.0], [3.9, 8.0, 0.0], [-3.0, 2.0, 9.0]])
    across = np.array([0.7, -0.9, 1.1])
    rng = np.random.default_rng(1)
    for shift in rng.integers(-3, 4, (20, 3)):
        positions = np.array([[1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]) + across + shift @ cell])
        length = stability.bond_lengths(positions, np.array([[0, 1]]), cell, ALL)
        assert length == pytest.approx(np.linalg.norm(across))
    positions[0, 1] = np.nan
    assert np.isnan(stability.bond_lengths(positions, np.array([[0, 1]]), cell, ALL)).all()


def test_a_kind_of_bond_is_two_elements_with_their_numbers_of_bonds() -> None:
    """Acetic acid has C-C, C=O, C-O, O-H and three equal C-H."""
    atoms = molecule("CH3COOH", vacuum=5.0)
    pairs, lengths = stability.bonds_by_distance(atoms.positions, atoms.numbers, CUBE, NONE)
    kinds = stability.bond_kinds(atoms.numbers, pairs)
    symbols = np.array(atoms.get_chemical_symbols())
    assert len(pairs) == 7
    assert len(set(kinds)) == 5
    hydrogens = [k for k, pair in enumerate(pairs) if sorted(symbols[pair]) == ["C", "H"]]
    assert len(hydrogens) == 3
    assert len(set(kinds[hydrogens])) == 1
    means = stability.mean_of_kind(lengths, kinds)
    assert means[hydrogens] == pytest.approx(lengths[hydrogens].mean())
    others = [k for k in range(7) if k not in hydrogens]
    assert means[others] == pytest.approx(lengths[others])


def test_density_of_a_known_box() -> None:
    """1000 water molecules in (31.07 Å)³ weigh as much as water: 0.997 g/cm³."""
    masses = np.tile([15.999, 1.008, 1.008], 1000)
    assert stability.density(masses, np.eye(3) * 31.07) == pytest.approx(0.9974, abs=1e-4)
    tilted = np.array([[31.07, 0, 0], [10, 31.07, 0], [5, -7, 31.07]])
    assert stability.density(masses, tilted) == pytest.approx(0.9974, abs=1e-4)


def test_temperature_of_known_velocities() -> None:
    """½ m v² of argon at 1 Å/ps is 39.948 · 1.0364e-4 / 2 eV; two atoms have 3 degrees of freedom."""
    velocities = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    kinetic = 39.948 * 1.0364269e-4
    masses = np.array([39.948, 39.948])
    assert stability.kinetic_energy(masses, velocities) == pytest.approx(kinetic, rel=1e-6)
    assert stability.temperature(masses, velocities) == pytest.approx(2 * kinetic / (3 * 8.617333e-5), rel=1e-6)


def test_half_of_the_box_is_that_of_its_edges_in_lammps() -> None:
    assert stability.farthest_seen(np.diag([8.0, 10.0, 12.0]), ALL) == pytest.approx(4.0)
    assert stability.farthest_seen(np.diag([8.0, 10.0, 12.0]), np.array([False, True, True])) == pytest.approx(5.0)
    assert stability.farthest_seen(np.zeros((3, 3)), NONE) == np.inf
    tilted = np.array([[10.0, 0, 0], [6.0, 8.0, 0], [1.0, 2.0, 9.0]])
    turned = tilted @ np.linalg.qr(np.random.default_rng(2).random((3, 3)))[0]
    assert stability.farthest_seen(turned, ALL) == pytest.approx(4.0)


def test_numbers_that_are_not_finite_are_found_and_never_the_largest() -> None:
    positions, forces = np.zeros((4, 3)), np.ones((4, 3))
    positions[1, 2] = np.nan
    forces[3, 0] = 1e200  # its square is infinite
    assert stability.not_finite(positions).tolist() == [1]
    assert stability.not_finite(positions, forces).tolist() == [1, 3]


def frames_of(*ids: list[int], gap: float = 1.5) -> list[Frame]:
    """Frames of carbon atoms in a row, `gap` Å apart by their ids."""
    found = []
    for index, each in enumerate(ids):
        atoms = molecule("C") * (1, 1, 1)
        atoms = sum((atoms.copy() for _ in each[1:]), atoms) if each else atoms[:0]
        atoms.positions[:, 0] = gap * np.array(each)
        atoms.arrays["id"] = np.array(each)
        atoms.set_cell(CUBE * 10)
        found.append(frame_of_atoms(atoms, index))
    return found


def test_lost_and_new_atoms_are_named_and_bonds_of_lost_ones_are_not_watched() -> None:
    frames = frames_of([1, 2, 3], [3, 1, 2], [1, 3], [1, 2, 7])
    check = StabilityCheck(frames[0], Limits(bond_stretch=0.5), bonds_of(frames[0]))
    result = check_frames(check, frames, to_the_end=True)
    assert [(each.frame, each.criterion, each.atoms, each.value) for each in result.violations] == [(2, "lost", [2], 1)]
    result = check_frames(check, [frames[0], frames[3]])
    assert result.violations[0].atoms == [3, 7]
    assert result.violations[0].elements == ["C", "C"]


def test_a_violation_is_written_down_when_it_begins_and_again_after_it_has_ended() -> None:
    gaps = [1.5, 1.5, 2.1, 2.2, 1.6, 2.3]
    frames = [frames_of([1, 2], gap=gap)[0] for gap in gaps]
    frames = [Frame(**{**frame.__dict__, "index": index, "time_ps": 0.5 * index}) for index, frame in enumerate(frames)]
    check = StabilityCheck(frames[0], Limits(bond_stretch=0.5), bonds_of(frames[0]))
    result = check_frames(check, frames, to_the_end=True)
    assert [each.frame for each in result.violations] == [2, 5]
    assert result.n_frames == 6
    first = check_frames(check, frames)
    assert (first.n_frames, first.t_stab_ps, first.last_good_ps, first.censored) == (3, 1.0, 0.5, False)
    good = check_frames(check, frames[:2])
    assert (good.t_stab_ps, good.censored) == (0.5, True)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"density": (2.0, 0.2)}, "density needs a lower and then a higher bound in g/cm³, got 2 0.2"),
        ({"density": (float("nan"), 1.0)}, "density needs a lower"),
        ({"bond_stretch": -0.5}, "bond stretch must be a positive number of Å, got -0.5"),
        ({"bond_ratio": 0.9}, "bond ratio must be above 1, got 0.9"),
        ({"temperature": float("nan")}, "temperature must be a positive number of K, got nan"),
        ({"force": float("inf")}, "force must be a positive number of eV/Å, got inf"),
        ({"energy": 0.0}, "energy must be a positive number of eV/atom, got 0"),
    ],
)
def test_wrong_limits_are_refused(limits: dict, message: str) -> None:
    with pytest.raises(CriterionError, match=message):
        Limits(**limits)


def test_a_box_too_small_for_the_limit_is_refused_and_one_that_becomes_so_is_told() -> None:
    def box(index: int, edge: float) -> Frame:
        frame = frames_of([1, 2])[0]
        return Frame(**{**frame.__dict__, "index": index, "cell": np.eye(3) * edge, "periodic": ALL})

    bonds = bonds_of(box(0, 10.0))
    with pytest.raises(CriterionError, match=r"up to 4\.5 Å \(atoms 1 and 2\), more than half of the box \(4 Å\)"):
        StabilityCheck(box(0, 8.0), Limits(bond_stretch=3.0), bonds)
    check = StabilityCheck(box(0, 10.0), Limits(bond_stretch=3.0), bonds)
    assert check_frames(check, [box(0, 10.0), box(1, 9.5), box(2, 8.5)]).blind_from == 2


def test_analysis_does_not_import_the_engine() -> None:
    program = (
        "import lamplighter.analysis.stability_check, sys; "
        "sys.exit(any(name.startswith(('lamplighter.driver', 'lammps', 'mpi4py')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
