"""Kaplan-Meier, medians and means of censored times, on cases that were computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lamplighter.analysis.survival import kaplan_meier, mean_time


def test_a_censored_run_leaves_the_risk_set_without_a_step() -> None:
    curve = kaplan_meier([4.0, 1.0, 2.0, 3.0], [True, True, False, True])
    np.testing.assert_allclose(curve.times, [1.0, 3.0, 4.0])
    np.testing.assert_allclose(curve.survival, [3 / 4, 3 / 4 * 1 / 2, 0.0])
    assert curve.median == 3.0
    assert curve.at(0.5) == (1.0, 1.0, 1.0)
    assert curve.at(2.5)[0] == pytest.approx(0.75)
    assert curve.at(100.0)[0] == 0.0


def test_the_band_is_the_log_log_one_with_greenwoods_variance() -> None:
    curve = kaplan_meier([1.0, 2.0, 3.0, 5.0], [True, False, True, False], 0.95)
    survival = 3 / 4 * 1 / 2
    greenwood = 1 / (4 * 3) + 1 / (2 * 1)
    width = 1.959963985 * math.sqrt(greenwood) / math.log(survival)
    expected = sorted(survival ** math.exp(sign * width) for sign in (1, -1))
    assert [curve.low[1], curve.high[1]] == pytest.approx(expected, rel=1e-6)


def test_runs_that_fail_at_once_make_one_step() -> None:
    curve = kaplan_meier([2.0, 2.0, 2.0, 7.0], [True, True, False, True])
    np.testing.assert_allclose(curve.times, [2.0, 7.0])
    np.testing.assert_allclose(curve.survival, [0.5, 0.0])  # the censored one was at risk at 2
    assert curve.median == 2.0


def test_without_failures_the_curve_stays_at_one_and_the_median_is_not_reached() -> None:
    curve = kaplan_meier([5.0, 9.0], [False, False])
    assert curve.at(9.0) == (1.0, 1.0, 1.0)
    assert (curve.median, curve.median_low, curve.median_high) == (math.inf, math.inf, math.inf)


def test_where_the_curve_is_zero_the_band_is_not_nan() -> None:
    curve = kaplan_meier([1.0, 2.0, 3.0], [True, True, True])
    assert curve.survival[-1] == 0.0
    assert curve.low[-1] == 0.0
    assert curve.high[-1] == curve.high[-2] > 0.0
    assert kaplan_meier([1.0], [True]).at(1.0) == (0.0, 0.0, 1.0)


def test_the_median_interval_covers_the_true_median() -> None:
    """30 exponential lifetimes of median ln 2, a third of them censored: 95 % intervals hold it in about 95 %."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        times, ends = rng.exponential(size=30), rng.exponential(2.0, size=30)
        curve = kaplan_meier(np.minimum(times, ends), times <= ends)
        covered.append(curve.median_low <= math.log(2.0) <= curve.median_high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_the_mean_of_observed_times_and_its_error() -> None:
    mean = mean_time([1.0, 2.0, 3.0, 6.0], [True, True, True, False])
    assert mean.value == 3.0
    assert mean.standard_error == pytest.approx(math.sqrt(14.0 / 3.0) / 2.0)
    one = mean_time([4.0], [True])
    assert (one.value, one.note) == (4.0, "one run has no spread")
    assert math.isnan(one.standard_error)


@pytest.mark.parametrize(
    ("times", "failed", "message"),
    [([], [], "same shape"), ([1.0], [True, False], "same shape"), ([-1.0], [True], "not negative")],
)
def test_bad_input_is_refused(times: list[float], failed: list[bool], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kaplan_meier(times, failed)
    with pytest.raises(ValueError, match="confidence level"):
        kaplan_meier([1.0], [True], 1.0)
