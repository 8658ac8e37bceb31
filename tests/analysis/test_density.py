"""Equilibration, block averaging, compressibility and D_KL, on series whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import constants

from lamplighter.analysis.blocking import block_errors
from lamplighter.analysis.compressibility import compressibility
from lamplighter.analysis.distribution import common_edges, divergence, kl_divergence, probabilities
from lamplighter.analysis.equilibration import detect_equilibration
from lamplighter.analysis.series import mean_with_error

from .synthetic import ar1


def relaxing(seed: int, n: int = 2000, time: float = 60.0, height: float = 8.0) -> np.ndarray:
    """AR(1) noise of g = 9 upon an exponential approach to 0."""
    return ar1(0.8, n, seed) + height * np.exp(-np.arange(n) / time)


def test_the_cut_lies_where_the_transient_has_sunk_into_the_noise() -> None:
    starts = [detect_equilibration(relaxing(seed)).start for seed in range(40)]
    assert 100 <= np.median(starts) <= 500  # exp(−100/60)·8 = 1.5, exp(−500/60)·8 = 0.002 standard deviations
    assert np.median([detect_equilibration(ar1(0.8, 2000, seed)).start for seed in range(40)]) <= 200


def test_after_the_cut_the_68_percent_interval_covers_the_truth() -> None:
    covered = []
    for seed in range(250):
        x = relaxing(seed)
        estimate = mean_with_error(x[detect_equilibration(x).start :])
        covered.append(abs(estimate.value) <= estimate.standard_error)
    assert 0.60 <= np.mean(covered) <= 0.76


def test_without_the_cut_it_does_not() -> None:
    estimates = [mean_with_error(relaxing(seed)) for seed in range(100)]
    assert np.mean([abs(e.value) <= e.standard_error for e in estimates]) < 0.6


def test_of_a_slow_series_no_short_end_is_taken_for_all_of_it() -> None:
    found = [detect_equilibration(ar1(0.98, 800, seed)) for seed in range(60)]  # about 8 independent samples
    assert max(each.start for each in found) <= 400
    assert all(each.note for each in found if each.start == 400)


def test_the_cut_is_the_best_of_all_that_are_tried() -> None:
    x = relaxing(3)
    means = x.reshape(-1, 5).mean(axis=1)
    tried = [means[d:].var() / (len(means) - d) for d in range(len(means) // 2 + 1)]
    assert detect_equilibration(x).start == 5 * int(np.argmin(tried))


def test_a_series_that_never_settles_is_cut_in_half_with_a_note() -> None:
    found = detect_equilibration(np.linspace(0.0, 1.0, 200))
    assert found.start == 100
    assert "first half" in found.note
    assert math.isnan(found.n_effective)


def test_blocking_levels_off_at_the_true_error() -> None:
    n, phi = 1 << 14, 0.8
    true = math.sqrt((1 + phi) / (1 - phi) / n)
    plateau = np.mean([block_errors(ar1(phi, n, seed)).standard_error[6] for seed in range(30)])
    blocks = block_errors(ar1(phi, n, 0))
    assert blocks.size.tolist() == [1 << k for k in range(14)]
    assert plateau == pytest.approx(true, rel=0.05)
    assert blocks.standard_error[0] < 0.5 * true
    assert blocks.uncertainty[6] == pytest.approx(blocks.standard_error[6] / math.sqrt(2 * ((n >> 6) - 1)))


def test_the_compressibility_of_gaussian_volumes_is_the_known_one() -> None:
    """Volumes of variance k_B T κ ⟨V⟩: the value within 1 % on average, and honest errors."""
    kappa, temperature, mean = 6e-10, 500.0, 2.0e4
    deviation = math.sqrt(kappa * constants.k * temperature * mean * 1e-30) * 1e30
    made = [compressibility(mean + deviation * ar1(0.9, 4000, seed), temperature) for seed in range(250)]
    assert np.mean([each.value for each in made]) == pytest.approx(kappa, rel=0.015)
    covered = np.mean([abs(each.value - kappa) <= each.standard_error for each in made])
    assert 0.60 <= covered <= 0.76
    assert made[0].unit == "1/Pa"


def test_a_compressibility_that_cannot_be_told_is_nan_with_a_reason() -> None:
    short = compressibility([1.0, 2.0, 3.0], 300.0)
    assert math.isnan(short.value)
    assert "only 3 samples" in short.note
    with pytest.raises(ValueError, match="temperature must be > 0 K"):
        compressibility(np.arange(20.0), 0.0)


def gaussian_divergence(shift: float, ratio: float) -> float:
    """D_KL of N(shift, ratio²) from N(0, 1)."""
    return -math.log(ratio) + 0.5 * (ratio**2 + shift**2 - 1.0)


@pytest.mark.parametrize(("shift", "ratio"), [(0.5, 1.0), (0.0, 0.7), (1.0, 0.8), (-0.3, 1.2)])
def test_the_divergence_of_two_gaussians_is_the_closed_form(shift: float, ratio: float) -> None:
    rng = np.random.default_rng(2)
    p, r = shift + ratio * rng.standard_normal(200_000), rng.standard_normal(200_000)
    made = divergence([p], [r], common_edges([p, r]))
    assert made.value == pytest.approx(gaussian_divergence(shift, ratio), abs=max(4 * made.standard_error, 0.004))
    assert made.standard_error < 0.01


def test_its_error_is_honest_for_correlated_series() -> None:
    truth, covered = gaussian_divergence(0.8, 1.0), []
    for seed in range(200):
        p, r = 0.8 + ar1(0.8, 6000, seed), ar1(0.8, 6000, 1000 + seed)
        made = divergence([p], [r], common_edges([p, r], 0.4))
        covered.append(abs(made.value - made.bias - truth) <= made.standard_error)
    assert 0.60 <= np.mean(covered) <= 0.76


def test_equal_samples_do_not_diverge_and_the_bias_of_few_samples_is_seen() -> None:
    x = ar1(0.5, 2000, 3)
    edges = common_edges([x])
    assert divergence([x], [x], edges).value == 0.0
    pairs = [(ar1(0.8, 600, seed), ar1(0.8, 600, 500 + seed)) for seed in range(60)]
    made = [divergence([p], [r], common_edges([p, r], 0.3)) for p, r in pairs]
    assert np.mean([each.value for each in made]) > 0.05  # the truth is 0
    assert np.mean([each.bias for each in made]) == pytest.approx(np.mean([each.value for each in made]), rel=0.5)


def test_distributions_that_do_not_overlap_are_finite_and_say_so() -> None:
    p, r = 10.0 + ar1(0.5, 1000, 0), ar1(0.5, 1000, 1)
    made = divergence([p], [r], common_edges([p, r]))
    assert 3.0 < made.value < math.inf
    assert made.outside == 1.0
    with pytest.raises(ValueError, match="D_KL is infinite"):
        kl_divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]))


def test_d_kl_by_hand() -> None:
    assert kl_divergence(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.5, 0.25])) == pytest.approx(0.5 * math.log(2.0))


def test_runs_count_alike_whatever_their_length() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    p = probabilities([np.full(1000, 0.5), np.full(10, 1.5)], edges, pseudo_count=1e-9)
    np.testing.assert_allclose(p, [0.5, 0.5], atol=1e-9)


def test_the_grid_covers_all_samples_at_multiples_of_its_width() -> None:
    edges = common_edges([np.array([0.23, 0.31]), np.array([0.52])], 0.1)
    np.testing.assert_allclose(edges, [0.2, 0.3, 0.4, 0.5, 0.6])
    with pytest.raises(ValueError, match="all samples are 3"):
        common_edges([np.full(9, 3.0)])
    with pytest.raises(ValueError, match="must be > 0"):
        common_edges([np.arange(9.0)], 0.0)
    with pytest.raises(ValueError, match="outside of the grid"):
        probabilities([np.array([5.0])], np.array([0.0, 1.0]))
    short = divergence([np.arange(5.0)], [np.arange(5.0)], np.arange(7.0))
    assert math.isnan(short.standard_error)
    assert "only 5 samples" in short.note
