"""Q on cases that were computed by hand."""

from __future__ import annotations

import math

import pytest

from lamplighter.analysis.quality import NptRun, NvtRun, quality

NS = 1000.0


def test_a_committee_that_equals_its_reference_has_three() -> None:
    npt = [NptRun(NS, False, 0.0), NptRun(NS, False, 0.0)]
    nvt = [NvtRun(NS, False, 48.0), NvtRun(2 * NS, False, 48.0)]
    made = quality(npt, nvt, 0.0, 48.0, NS)
    assert made.value == 3.0
    assert made.standard_error == 0.0
    assert not made.lower_bound


def test_the_three_terms_by_hand() -> None:
    npt = [NptRun(NS, False, 0.5), NptRun(3 * NS, False, 0.3), NptRun(250.0, True, None)]
    nvt = [NvtRun(NS, False, 60.0), NvtRun(NS, False, 72.0), NvtRun(10.0, True, 500.0)]
    made = quality(npt, nvt, 0.1, 48.0, NS)
    assert made.stability.value == pytest.approx((1.0 + 1.0 + 0.25) / 3)
    assert made.density.value == pytest.approx(1.0 - math.tanh(0.4 - 0.1))
    assert made.diffusivity.value == pytest.approx(1.0 - math.tanh((66.0 - 48.0) / 48.0))
    assert made.value == pytest.approx(0.75 + 1.0 - math.tanh(0.3) + 1.0 - math.tanh(0.375))
    assert (made.density.n_included, made.density.n_runs) == (2, 3)
    assert not made.lower_bound


def test_a_divergence_within_the_noise_costs_nothing() -> None:
    assert quality([NptRun(NS, False, 0.2)], [], 0.3, None, NS).density.value == 1.0


def test_no_stable_liquid_is_below_one() -> None:
    made = quality([NptRun(300.0, True, 0.0), NptRun(500.0, True, 0.0)], [NvtRun(999.0, True, 48.0)], 0.0, 48.0, NS)
    assert made.value == pytest.approx(0.4)
    assert made.density.note == "no run is stable to the horizon: 0"
    assert made.standard_error == pytest.approx(0.1)  # the standard error of the mean of 0.3 and 0.5
    assert not made.lower_bound


def test_a_run_that_ended_early_without_a_failure_makes_it_a_lower_bound() -> None:
    made = quality([NptRun(400.0, False, 0.0), NptRun(NS, False, 0.0)], [], 0.0, None, NS)
    assert made.stability.value == pytest.approx(0.7)
    assert made.density.n_included == 1
    assert made.lower_bound


def test_a_run_of_exactly_the_horizon_is_stable_whatever_the_rounding() -> None:
    assert quality([NptRun(sum([0.1] * 10), False, 0.0)], [], 0.0, None, 1.0).density.value == 1.0
    assert quality([NptRun(0.99, False, 0.0)], [], 0.0, None, 1.0).density.value == 0.0


def test_the_error_of_a_single_run_is_not_known() -> None:
    made = quality([NptRun(NS, False, 0.1)], [], 0.0, None, NS)
    assert math.isnan(made.standard_error)
    assert made.diffusivity.note == "no runs for the diffusivity: 0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], 0.0, None, NS), "at least one run at constant pressure"),
        (([NptRun(1.0, True)], [], -0.1, None, NS), "noise must be ≥ 0"),
        (([NptRun(1.0, True)], [], 0.0, 0.0, NS), "diffusivity must be > 0"),
        (([NptRun(1.0, True)], [], 0.0, None, 0.0), "horizon must be > 0"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quality(*arguments)
