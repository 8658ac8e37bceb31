"""Standard errors of correlated series, judged by series whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lamplighter.analysis.series import autocovariance, drift, mean_with_error


def ar1(phi: float, n: int, seed: int) -> np.ndarray:
    """First-order autoregressive series with mean 0, variance 1 and g = (1 + φ)/(1 − φ)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n) * math.sqrt(1.0 - phi**2)
    x = np.empty(n)
    x[0] = rng.standard_normal()
    for i in range(1, n):
        x[i] = phi * x[i - 1] + noise[i]
    return x


@pytest.mark.parametrize("phi", [0.0, 0.9, -0.4])
def test_the_68_percent_interval_of_the_mean_covers_the_truth_68_percent_of_the_time(phi: float) -> None:
    estimates = [mean_with_error(3.0 + ar1(phi, 2000, seed)) for seed in range(400)]
    covered = np.mean([abs(e.value - 3.0) <= e.standard_error for e in estimates])
    assert 0.60 <= covered <= 0.76


def test_the_statistical_inefficiency_of_an_ar1_series_is_the_known_one() -> None:
    g = np.mean([mean_with_error(ar1(0.9, 4000, seed)).statistical_inefficiency for seed in range(100)])
    assert g == pytest.approx(1.9 / 0.1, rel=0.05)


def test_subtracting_the_sample_mean_does_not_make_the_error_of_short_series_too_small() -> None:
    errors = np.array([mean_with_error(ar1(0.6, 150, seed)).standard_error for seed in range(600)])
    true_variance = (1.6 / 0.4 - 2 * 0.6 / (150 * 0.4**2)) / 150
    assert np.nanmean(errors**2) == pytest.approx(true_variance, rel=0.06)


def test_the_naive_error_would_have_been_far_too_small() -> None:
    x = ar1(0.9, 4000, 1)
    estimate = mean_with_error(x, "K")
    assert estimate.standard_error > 3 * x.std() / math.sqrt(len(x))
    assert estimate.n_effective == pytest.approx(len(x) / estimate.statistical_inefficiency)
    assert (estimate.unit, estimate.n_samples) == ("K", 4000)


def test_an_oscillating_series_has_a_smaller_error_than_white_noise() -> None:
    rng = np.random.default_rng(0)
    white = rng.standard_normal(4001)
    estimate = mean_with_error(np.diff(white) + 0.3 * rng.standard_normal(4000))
    assert estimate.statistical_inefficiency < 0.6


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_the_68_percent_interval_of_the_drift_covers_the_truth_68_percent_of_the_time(phi: float) -> None:
    time = np.arange(1000) * 0.01
    estimates = [drift(time, 5.0 + 0.7 * time + ar1(phi, 1000, seed)) for seed in range(300)]
    covered = np.mean([abs(e.value - 0.7) <= e.standard_error for e in estimates])
    assert 0.60 <= covered <= 0.76


@pytest.mark.parametrize(
    ("series", "value", "reason"),
    [
        ([], math.nan, "no samples"),
        ([2.0, 4.0], 3.0, "only 2 samples"),
        ([1.5] * 50, 1.5, "constant"),
        ([300.1] * 50, 300.1, "constant"),
        ([1.0] * 20 + [math.nan], math.nan, "1 of 21 values are not finite"),
        (np.linspace(0.0, 1.0, 40), 0.5, "independent samples"),
    ],
)
def test_where_the_data_cannot_tell_the_error_is_nan_with_a_reason(series, value, reason) -> None:
    estimate = mean_with_error(series)
    assert estimate.value == pytest.approx(value, nan_ok=True)
    assert math.isnan(estimate.standard_error)
    assert reason in estimate.note


def test_a_drift_without_fluctuations_or_with_two_points_has_no_error() -> None:
    line = drift(np.arange(50.0), 2.0 * np.arange(50.0) + 1.0)
    assert line.value == pytest.approx(2.0)
    assert math.isnan(line.standard_error)
    assert "exactly on a line" in line.note
    two = drift([0.0, 1.0], [0.0, 3.0])
    assert two.value == pytest.approx(3.0)
    assert math.isnan(two.standard_error)
    assert "only 2 samples" in two.note
    assert math.isnan(drift([1.0], [1.0]).value)


def test_the_autocovariance_agrees_with_its_definition() -> None:
    x = np.random.default_rng(3).standard_normal(37)
    d = x - x.mean()
    expected = [d[: 37 - t] @ d[t:] / (37 - t) for t in range(37)]
    np.testing.assert_allclose(autocovariance(x), expected, atol=1e-13)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        mean_with_error(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="same length"):
        drift([0.0, 1.0], [0.0])
