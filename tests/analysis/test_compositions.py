"""The N − M rule: what sets of compositions fix, against cases by hand and sympy's exact null space."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from lamplighter.analysis.compositions import determination, species_energies

EC, EMC = [4, 3, 3], [8, 4, 3]  # H, C, O


def test_two_molecules_leave_one_combination_of_three_elements_open() -> None:
    found = determination(np.array([EC, EMC, np.add(EC, EMC), np.multiply(2, EC)]), ["H", "C", "O"])
    assert (found.needed, found.n_unique, found.rank, found.deficiency) == (3, 3, 2, 1)
    # 4 H + 3 C + 3 O and 8 H + 4 C + 3 O both give 0 for it
    np.testing.assert_array_equal(np.abs(found.undetermined), [[3, 12, 8]])
    assert found.undetermined @ np.array([EC, EMC]).T == pytest.approx(0)
    assert not found.determined.any()


def test_a_third_molecule_or_an_isolated_atom_fixes_all() -> None:
    for more in ([2, 3, 3], [1, 0, 0]):
        found = determination(np.array([EC, EMC, more]), ["H", "C", "O"])
        assert (found.rank, found.deficiency) == (3, 0)
        assert found.determined.all()
        assert found.undetermined.shape == (0, 3)


def test_neutral_salts_need_one_composition_less() -> None:
    species, charges = ["Li", "Na", "PF6", "EC"], [1, 1, -1, 0]
    frames = np.array([[1, 0, 1, 5], [0, 2, 2, 3], [1, 1, 2, 9]])
    found = determination(frames, species, [charges])
    assert (found.n_constraints, found.needed, found.rank, found.deficiency) == (1, 3, 3, 0)
    # energy may be moved from cations to the anion, and nothing else
    np.testing.assert_array_equal(np.abs(found.undetermined), [[1, 1, 1, 0]])
    np.testing.assert_array_equal(found.determined, [False, False, False, True])
    assert determination(frames[:2], species, [charges]).deficiency == 1
    # the same constraint twice is one constraint
    assert determination(frames, species, [charges, [2, 2, -2, 0]]).n_constraints == 1
    with pytest.raises(ValueError, match="1 Li 1 Na does not obey the constraint"):
        determination(np.array([[1, 1, 0, 0]]), species, [charges])
    with pytest.raises(ValueError, match="needs 4 coefficients, one for each species, got 2"):
        determination(frames, species, [[1, -1]])


def test_the_same_proportions_are_one_composition() -> None:
    found = determination(np.array([[1, 2], [2, 4], [3, 6]]), ["EC", "EMC"])
    assert (found.n_unique, found.rank, found.deficiency) == (1, 1, 1)
    np.testing.assert_array_equal(np.abs(found.undetermined), [[2, 1]])


def test_the_null_space_is_that_of_sympy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = rng.integers(0, 5, (3, 6))
        counts[2] = counts[0] + counts[1]
        found = determination(counts, list("abcdef"))
        matrix = sympy.Matrix(counts.tolist())
        assert found.rank == matrix.rank()
        assert len(found.undetermined) == len(matrix.nullspace())
        assert not (counts @ found.undetermined.T).any()
        assert sympy.Matrix(found.undetermined.tolist()).rank() == len(found.undetermined)


def test_energies_of_species_come_back_with_honest_errors() -> None:
    rng = np.random.default_rng(1)
    true = np.array([-560.0, -675.0])
    within = 0
    for _ in range(200):
        counts = rng.integers(1, 6, (30, 2))
        energies = counts @ true + counts.sum(axis=1) * rng.normal(0.0, 0.05, 30)
        found = determination(counts, ["EC", "EMC"])
        made, residual = species_energies(counts, energies, found)
        within += sum(abs(each.value - right) < each.standard_error for each, right in zip(made, true, strict=True))
    assert 0.60 < within / 400 < 0.76
    assert residual == pytest.approx(0.05, rel=0.5)


def test_what_is_not_determined_has_no_value() -> None:
    counts = np.array([[1, 2, 1], [2, 4, 0], [1, 2, 3]])
    found = determination(counts, ["a", "b", "c"])
    made, residual = species_energies(counts, counts @ np.array([1.0, 2.0, 5.0]), found)
    assert [np.isfinite(each.value) for each in made] == [False, False, True]
    assert made[2].value == pytest.approx(5.0)
    assert made[0].note == "not determined by these compositions"
    assert residual == pytest.approx(0.0, abs=1e-9)
