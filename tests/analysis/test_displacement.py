"""Displacements and velocity autocorrelation: against their definition, MDAnalysis and LAMMPS, and an ideal gas."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from lamplighter.analysis import displacement
from lamplighter.analysis.diffusivity import BlockPlan, einstein, green_kubo, yeh_hummer
from lamplighter.analysis.displacement import mean_squared_displacement, velocity_autocorrelation
from lamplighter.errors import TrajectoryError

from .synthetic import langevin_gas


def walk(n_frames: int = 400, n: int = 7, seed: int = 0) -> np.ndarray:
    return 30.0 + np.random.default_rng(seed).standard_normal((n_frames, n, 3)).cumsum(axis=0)


def test_the_msd_is_its_definition() -> None:
    r = walk(50)
    expected = [((r[m:] - r[: len(r) - m]) ** 2).sum(axis=2).mean() for m in range(50)]
    np.testing.assert_allclose(mean_squared_displacement(r), expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(mean_squared_displacement(r, 12), expected[:12], rtol=1e-11, atol=1e-11)


def test_the_vacf_is_its_definition() -> None:
    v = np.random.default_rng(1).standard_normal((40, 5, 3)) + 0.3
    expected = [(v[m:] * v[: len(v) - m]).sum(axis=2).mean() for m in range(40)]
    np.testing.assert_allclose(velocity_autocorrelation(v), expected, rtol=1e-11, atol=1e-12)


def test_the_msd_is_that_of_mdanalysis() -> None:
    MDAnalysis = pytest.importorskip("MDAnalysis")  # noqa: N806
    pytest.importorskip("tidynamics")
    from MDAnalysis.analysis.msd import EinsteinMSD

    r = walk(600, 11)
    universe = MDAnalysis.Universe.empty(11, trajectory=True)
    universe.load_new(r.astype(np.float32))
    kept = np.array([frame.positions.copy() for frame in universe.trajectory], dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = EinsteinMSD(universe, select="all", msd_type="xyz", fft=True).run().results.timeseries
    ours = mean_squared_displacement(kept)
    np.testing.assert_allclose(ours[1:], theirs[1:], rtol=1e-10)
    assert ours[0] == 0.0


def test_memory_stays_bounded_by_taking_some_particles_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    r = walk(60, 10)
    at_once = mean_squared_displacement(r)
    monkeypatch.setattr(displacement, "_CHUNK_BYTES", 1)
    np.testing.assert_allclose(mean_squared_displacement(r), at_once, rtol=1e-12)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected shape"):
        mean_squared_displacement(np.zeros((5, 3)))


FRICTION, SPEED = 5.0, 3.0  # 1/ps and Å/ps: D = v²/γ = 1.8 Å²/ps
PLAN = BlockPlan(10.0, 1.0, 2.0)


def test_an_ideal_langevin_gas_diffuses_by_kt_over_m_gamma() -> None:
    """The 68 % interval of the sound error covers the truth; that of the protocol's error does not."""
    truth = SPEED**2 / FRICTION
    made = [einstein(langevin_gas(12, 1101, 0.1, FRICTION, SPEED, seed)[0], 0.1, PLAN) for seed in range(200)]
    values = np.array([each.value for each in made])
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / math.sqrt(200))
    covered = np.mean([abs(each.independent_value - truth) <= each.standard_error for each in made])
    assert 0.60 <= covered <= 0.76
    assert 0.66 <= np.mean([abs(each.value - truth) <= each.standard_error for each in made]) <= 0.84  # a little wide
    assert np.mean([abs(each.value - truth) <= each.protocol_error for each in made]) < 0.5
    assert (made[0].n_blocks, made[0].n_independent) == (101, 11)


def test_its_slope_is_one_only_once_it_diffuses() -> None:
    positions, _ = langevin_gas(100, 4001, 0.05, FRICTION, SPEED, 3)
    diffusive = einstein(positions, 0.05, PLAN)
    assert diffusive.diffusive
    assert diffusive.slope == pytest.approx(1.0, abs=4 * diffusive.slope_error)
    ballistic = einstein(positions[:, :50], 0.05, BlockPlan(0.5, 0.5, 0.0))
    assert ballistic.slope > 1.4
    assert not ballistic.diffusive


def test_velocities_give_the_same_diffusivity() -> None:
    """⅓ ∫₀^t of 3 v² exp(−γ t)."""
    truth = SPEED**2 / FRICTION * (1.0 - math.exp(-FRICTION * 2.0))
    made = [green_kubo(langevin_gas(8, 2001, 0.02, FRICTION, SPEED, seed)[1], 0.02, 2.0) for seed in range(100)]
    values = np.array([each.value for each in made])
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / 10 + 0.005)  # and the trapezoidal rule
    covered = np.mean([abs(each.value - truth) <= each.standard_error for each in made])
    assert 0.55 <= covered <= 0.80
    assert made[0].autocorrelation[0] == pytest.approx(3 * SPEED**2, rel=0.1)
    assert made[0].running[-1] == made[0].value


def test_a_line_is_fitted_exactly() -> None:
    """Two particles that move apart so that |r|² = 6 D t along a straight line."""
    t = np.arange(101) * 0.1
    positions = np.zeros((101, 2, 3))
    positions[:, 0, 0], positions[:, 1, 0] = np.sqrt(6 * 0.4 * t), -np.sqrt(6 * 0.4 * t)
    made = einstein(positions, 0.1, BlockPlan(10.0, 10.0, 1.0))
    assert made.value == pytest.approx(0.4)
    assert made.slope == pytest.approx(1.0)
    assert math.isnan(made.standard_error)
    assert math.isnan(made.protocol_error)


def test_too_short_a_trajectory_is_told_what_would_do() -> None:
    with pytest.raises(TrajectoryError) as refused:
        einstein(np.zeros((201, 3, 3)), 0.1, BlockPlan())
    assert "20 ps are too short for blocks of 100 ps (5 of them, 500 ps, are needed for an error bar)" in str(
        refused.value
    )
    assert "--block 2ps" not in str(refused.value)  # 2 ps are 20 frames: too few for a line
    with pytest.raises(TrajectoryError, match=r"--block 10ps .* --ballistic 1ps would make 5 independent"):
        einstein(np.zeros((501, 3, 3)), 0.1, BlockPlan())


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (BlockPlan(10.0, 1.0, 10.0), "cannot lack their first 10 ps"),
        (BlockPlan(10.0, 0.0, 1.0), "start every 0 ps"),
        (BlockPlan(10.0, 0.01, 1.0), "too far for blocks of 10 ps"),
        (BlockPlan(1.0, 1.0, 0.9), "too far for blocks of 1 ps"),
    ],
)
def test_blocks_that_make_no_sense_are_refused(plan: BlockPlan, message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        einstein(np.zeros((301, 3, 3)), 0.1, plan)


def test_the_finite_size_correction_of_water() -> None:
    """SPC/E-like: 298 K, 0.73 mPa s, L = 18.6 Å: 2.837297 k_B T/(6 π η L) = 0.456 × 10⁻⁹ m²/s."""
    by_hand = 2.837297 * 1.380649e-23 * 298.0 / (6 * math.pi * 0.73e-3 * 18.6e-10)
    assert by_hand == pytest.approx(0.456e-9, rel=1e-2)
    assert yeh_hummer(298.0, 0.73, 18.6) == pytest.approx(by_hand * 1e20 / 1e12)
    with pytest.raises(ValueError, match="must be > 0"):
        yeh_hummer(298.0, 0.0, 18.6)


def test_too_few_velocities_are_refused() -> None:
    with pytest.raises(TrajectoryError, match=r"needs 42 frames 0\.1 ps apart, got 30"):
        green_kubo(np.zeros((30, 2, 3)), 0.1, 2.0)
