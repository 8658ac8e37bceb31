"""Conductivity and transference of particles whose motion is known, and the frame of reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import constants

from lamplighter.analysis.conductivity import (
    charge_transport,
    collective_motion,
    conductivity_factor,
    relative_to,
    transference,
)
from lamplighter.analysis.diffusivity import BlockPlan, einstein
from lamplighter.arrays import Floats
from lamplighter.errors import TrajectoryError

PLAN = BlockPlan(20.0, 2.0, 2.0)
CATION, ANION, SOLVENT = 0, 1, 2
SPECIES = np.repeat([CATION, ANION, SOLVENT], [6, 6, 12])
CHARGES = np.array([1.0, -1.0, 0.0])
DIFFUSION = np.array([0.1, 0.3, 0.5])  # Å²/ps
NUMBERS = np.array([6, 6, 12])


def gas(rng: np.random.Generator, n_frames: int = 2001, paired: bool = False) -> Floats:
    """Brownian particles of one mass, 1 ps apart, relative to their centre; `paired`: each anion follows a cation."""
    steps = rng.standard_normal((n_frames, len(SPECIES), 3)) * np.sqrt(2.0 * DIFFUSION[SPECIES])[:, None]
    if paired:
        steps[:, SPECIES == ANION] = steps[:, SPECIES == CATION]
    positions = np.cumsum(steps, axis=0)
    return positions - positions.mean(axis=1, keepdims=True)


def test_the_factor_is_that_of_the_formula() -> None:
    si = constants.e**2 / (1e-27 * 1000.0 * constants.k * 300.0) * 1e-8
    assert conductivity_factor(1e6, 300.0) == pytest.approx(10.0 * si)


def test_a_gas_of_ions_conducts_as_nernst_and_einstein_say_and_errors_cover_it() -> None:
    rng = np.random.default_rng(1)
    expected = float((NUMBERS * CHARGES**2) @ DIFFUSION)  # Σ N z² D
    # the centre that is taken away is one particle's share: R_a' = R_a − (N_a/N) Σ R_b
    away: list[list[float]] = []
    for _ in range(24):
        motion = collective_motion(gas(rng), SPECIES, 3, 1.0, PLAN)
        row = []
        for of, truth in (
            (lambda l_ab, own: charge_transport(l_ab, CHARGES), expected),
            (lambda l_ab, own: transference(relative_to(l_ab, NUMBERS, np.array([SOLVENT])), CHARGES, CATION), 0.25),
        ):
            value, error = motion.estimate(of)
            row.append((value - truth) / error)
        away.append(row)
    for each in np.abs(away).T:
        assert (each < 1.0).sum() >= 11
        assert (each < 2.0).sum() >= 20


def test_random_forces_that_add_up_to_zero_move_species_together() -> None:
    """As those of a Langevin gas with `zero yes`: L_ab ∝ δ_ab N_a/m_a + N_a N_b (m̄ − m_a − m_b)/(N m_a m_b)."""
    masses = np.array([7.0, 35.0, 40.0])
    m, n = masses[SPECIES][:, None], NUMBERS.sum()
    rng = np.random.default_rng(6)
    found, alone = [], []
    for _ in range(12):
        forces = rng.standard_normal((2001, len(SPECIES), 3)) * np.sqrt(m)
        steps = (forces - forces.mean(axis=1, keepdims=True)) / m
        motion = collective_motion(np.cumsum(steps, axis=0), SPECIES, 3, 1.0, PLAN)
        found.append(2.0 * motion.overlapping.mean(axis=0))  # of a variance of 1, D is 1/2
        alone.append(2.0 * motion.own_overlapping.mean(axis=0))
    sums = NUMBERS @ masses / n - masses[:, None] - masses
    expected = np.diag(NUMBERS / masses) + np.outer(NUMBERS, NUMBERS) * sums / n / np.outer(masses, masses)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected) < 4.0 * error + 1e-12).all()
    own = NUMBERS / masses * (1.0 + (NUMBERS @ masses / n - 2.0 * masses) / (n * masses))
    error = np.std(alone, axis=0, ddof=1) / np.sqrt(len(alone))
    assert (np.abs(np.mean(alone, axis=0) - own) < 4.0 * error).all()
    assert abs(np.mean(alone, axis=0)[0] - NUMBERS[0] / masses[0]) > 4.0 * error[0]  # 1/N is seen
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(expected)[~np.eye(3, dtype=bool)] > 2.0 * error[~np.eye(3, dtype=bool)]).all()


def test_pairs_of_ions_carry_no_charge_though_nernst_and_einstein_say_so() -> None:
    motion = collective_motion(gas(np.random.default_rng(2), paired=True), SPECIES, 3, 1.0, PLAN)
    together, _ = motion.estimate(lambda l_ab, own: charge_transport(l_ab, CHARGES))
    alone, error = motion.estimate(lambda l_ab, own: float(own @ CHARGES**2))
    assert together == pytest.approx(0.0, abs=1e-9)
    assert alone > 10.0 * error


def test_diffusivities_are_those_of_einstein() -> None:
    positions = gas(np.random.default_rng(3))
    motion = collective_motion(positions, SPECIES, 3, 1.0, PLAN)
    for place in range(3):
        made = einstein(positions[:, place == SPECIES], 1.0, PLAN)
        assert motion.own_overlapping.mean(axis=0)[place] == pytest.approx(NUMBERS[place] * made.value)
        value, error = motion.estimate(lambda l_ab, own, place=place: float(own[place] / NUMBERS[place]))
        assert (value, error) == (pytest.approx(made.value), pytest.approx(made.standard_error))


def test_transference_depends_on_the_frame_and_conductivity_does_not() -> None:
    positions = gas(np.random.default_rng(4))
    motion = collective_motion(positions, SPECIES, 3, 1.0, PLAN)
    l_ab = motion.overlapping.mean(axis=0)
    solvent = relative_to(l_ab, NUMBERS, np.array([SOLVENT]))
    assert charge_transport(solvent, CHARGES) == pytest.approx(charge_transport(l_ab, CHARGES))
    np.testing.assert_allclose(solvent[SOLVENT], 0.0, atol=1e-9)
    moved = positions - positions[:, SPECIES == SOLVENT].mean(axis=1, keepdims=True)
    direct = collective_motion(moved, SPECIES, 3, 1.0, PLAN).overlapping.mean(axis=0)
    np.testing.assert_allclose(solvent, direct, atol=1e-8)
    for frame in (l_ab, solvent):
        assert sum(transference(frame, CHARGES, place) for place in range(3)) == pytest.approx(1.0)


def test_what_all_blocks_agree_on_has_no_error() -> None:
    """Transference of two ions alone, relative to their centre of mass: masses decide, 1/2 each of equal ones."""
    positions = gas(np.random.default_rng(7))[:, SPECIES != SOLVENT]
    positions -= positions.mean(axis=1, keepdims=True)
    motion = collective_motion(positions, SPECIES[SPECIES != SOLVENT], 2, 1.0, PLAN)
    value, error = motion.estimate(lambda l_ab, own: transference(l_ab, CHARGES[:2], CATION))
    assert (value, error) == (pytest.approx(0.5), 0.0)


def test_few_blocks_carry_no_error_and_none_are_refused() -> None:
    positions = gas(np.random.default_rng(5), 81)
    value, error = collective_motion(positions, SPECIES, 3, 1.0, PLAN).estimate(lambda l_ab, own: float(own.sum()))
    assert value > 0.0
    assert math.isnan(error)
    with pytest.raises(TrajectoryError, match="too short for blocks of 20 ps"):
        collective_motion(positions[:15], SPECIES, 3, 1.0, PLAN)
