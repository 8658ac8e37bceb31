"""The Tait fit and the thermal expansion find what was put in, and their error bars are meant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import curve_fit

from lamplighter.analysis.series import Estimate, mean_with_error
from lamplighter.analysis.tait import TaitFit, fit_tait
from lamplighter.analysis.thermal_expansion import thermal_expansion

from .synthetic import ar1

V0, C, B = 2.0e4, 0.09, 1200.0
PRESSURES = 1.0 + 1000.0 * np.arange(19)
KAPPA = C / B / 1e5  # 1/Pa


def tait(pressures: np.ndarray) -> np.ndarray:
    return V0 * (1.0 - C * np.log(1.0 + pressures / B))


def estimates(values: np.ndarray, errors: np.ndarray | float) -> list[Estimate]:
    errors = np.broadcast_to(errors, values.shape)
    return [Estimate(float(v), float(e), "", "", 100, 1.0, 100.0) for v, e in zip(values, errors, strict=True)]


def noisy(seed: int, errors: np.ndarray) -> TaitFit:
    noise = np.random.default_rng(seed).standard_normal(len(PRESSURES))
    return fit_tait(PRESSURES, estimates(tait(PRESSURES) + errors * noise, errors), n_bootstrap=0)


def test_exact_volumes_give_their_own_parameters() -> None:
    fit = fit_tait(PRESSURES, estimates(tait(PRESSURES), 10.0), n_bootstrap=0)
    assert fit.volume.value == pytest.approx(V0, rel=1e-8)
    assert fit.c.value == pytest.approx(C, rel=1e-6)
    assert fit.b.value == pytest.approx(B, rel=1e-6)
    assert fit.compressibility.value == pytest.approx(KAPPA, rel=1e-7)
    assert fit.volume_at(7000.0) == pytest.approx(tait(np.array([7000.0])), rel=1e-9)
    slope = (tait(np.array([5001.0])) - tait(np.array([4999.0])))[0] / 2.0
    assert fit.compressibility_at(5000.0).value == pytest.approx(-slope / tait(np.array([5000.0]))[0] / 1e5, rel=1e-5)


def test_parameters_and_errors_are_those_of_scipy() -> None:
    errors = np.linspace(30.0, 10.0, len(PRESSURES))
    fit = noisy(3, errors)
    found, covariance = curve_fit(
        lambda p, v0, c, b: v0 * (1.0 - c * np.log(1.0 + p / b)),
        PRESSURES, fit.volumes, p0=(V0, C, B), sigma=errors, absolute_sigma=True,
    )  # fmt: skip
    assert [fit.volume.value, fit.c.value, fit.b.value] == pytest.approx(found, rel=1e-5)
    reported = [fit.volume.standard_error, fit.c.standard_error, fit.b.standard_error]
    assert reported == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-3)
    gradient = np.array([0.0, 1.0 / found[2], -found[1] / found[2] ** 2])
    assert fit.compressibility.standard_error * 1e5 == pytest.approx(math.sqrt(gradient @ covariance @ gradient), 1e-3)


def test_the_error_bar_of_the_compressibility_is_meant() -> None:
    errors = np.linspace(30.0, 10.0, len(PRESSURES))
    fits = [noisy(seed, errors) for seed in range(400)]
    for of, truth in [
        (lambda fit: fit.compressibility, KAPPA),
        (lambda fit: fit.volume, V0),
        (lambda fit: fit.compressibility_at(6001.0), C / (B + 6001.0) / (1 - C * math.log(1 + 6001.0 / B)) / 1e5),
    ]:
        covered = np.mean([abs(of(fit).value - truth) < of(fit).standard_error for fit in fits])
        assert 0.60 < covered < 0.76


def test_the_error_bar_holds_from_correlated_volumes_on() -> None:
    """From series whose errors come from their own autocorrelation, g = 9."""
    pressures = PRESSURES[:10]
    covered = []
    for seed in range(240):
        series = [30.0 * ar1(0.8, 1500, 1000 * seed + k) + v for k, v in enumerate(tait(pressures))]
        fit = fit_tait(pressures, [mean_with_error(each, "Å³") for each in series], n_bootstrap=0)
        covered.append(abs(fit.compressibility.value - KAPPA) < fit.compressibility.standard_error)
    assert 0.60 < np.mean(covered) < 0.76


def test_the_bootstrap_agrees_with_the_covariance() -> None:
    errors = np.linspace(30.0, 10.0, len(PRESSURES))
    volumes = estimates(noisy(5, errors).volumes, errors)
    fit = fit_tait(PRESSURES, volumes, n_bootstrap=400)
    assert fit.bootstrap_error == pytest.approx(fit.compressibility.standard_error, rel=0.15)
    assert fit.bootstrap_error == fit_tait(PRESSURES, volumes, n_bootstrap=400).bootstrap_error


def test_without_curvature_the_ratio_is_still_found() -> None:
    pressures = np.array([1.0, 51.0, 101.0, 151.0, 201.0])
    volumes = V0 * (1.0 - 7.5e-5 * pressures)
    fit = fit_tait(pressures, estimates(volumes, 5.0), n_bootstrap=0)
    assert abs(fit.compressibility.value - 7.5e-10) < fit.compressibility.standard_error
    assert math.isnan(fit.b.value)
    assert math.isnan(fit.c.value)
    assert fit.notes == ["the volumes show no curvature: C and B are not determined, their ratio is"]


def test_errors_are_widened_where_the_equation_does_not_hold() -> None:
    bent = tait(PRESSURES) + np.where(np.arange(19) % 2, 60.0, -60.0)
    narrow, wide = (fit_tait(PRESSURES, estimates(bent, error), n_bootstrap=0) for error in (5.0, 60.0))
    assert narrow.compressibility.standard_error == pytest.approx(wide.compressibility.standard_error, rel=0.2)
    assert "is improbable" in narrow.notes[0]
    assert wide.notes == []


def test_volumes_without_errors_weigh_alike_and_it_is_said() -> None:
    noise = 20.0 * np.random.default_rng(2).standard_normal(19)
    volumes = estimates(tait(PRESSURES) + noise, 20.0)
    volumes[4] = Estimate(volumes[4].value, math.nan, "", "", 5, math.nan, math.nan, "too few")
    fit = fit_tait(PRESSURES, volumes, n_bootstrap=0)
    assert fit.notes[0].startswith("1 of 19 volumes have no error bar")
    known = fit_tait(PRESSURES, estimates(fit.volumes, 20.0), n_bootstrap=0)
    assert fit.compressibility.value == pytest.approx(known.compressibility.value, rel=1e-6)
    assert fit.compressibility.standard_error == pytest.approx(known.compressibility.standard_error, rel=0.4)


def test_what_cannot_be_fitted_is_refused() -> None:
    few = estimates(tait(PRESSURES[:3]), 1.0)
    with pytest.raises(ValueError, match="needs at least 4 different pressures, got 3"):
        fit_tait(PRESSURES[:3], few)
    with pytest.raises(ValueError, match="needs at least 4 different pressures, got 1"):
        fit_tait(np.ones(5), estimates(np.full(5, V0), 1.0))
    with pytest.raises(ValueError, match="the volume at 2001 bar must be finite and > 0 Å³, got nan"):
        fit_tait(PRESSURES[:4], estimates(np.array([1.0, 1.0, np.nan, 1.0]), 1.0))
    with pytest.raises(ValueError, match="the volumes do not shrink under pressure"):
        fit_tait(PRESSURES, estimates(tait(PRESSURES)[::-1].copy(), 1.0))
    with pytest.raises(ValueError, match="one length"):
        fit_tait(PRESSURES, few)


SLOPE, RHO, TEMPERATURES = -1.03e-3, 1.61, np.array([300.0, 310.0, 320.0, 330.0, 340.0, 350.0])


def line(seed: int, errors: np.ndarray) -> list[Estimate]:
    noise = np.random.default_rng(seed).standard_normal(len(TEMPERATURES))
    return estimates(RHO + SLOPE * (TEMPERATURES - 300.0) + errors * noise, errors)


def test_the_error_bars_of_the_expansion_are_meant() -> None:
    errors = np.linspace(1e-3, 4e-3, 6)
    found = [thermal_expansion(TEMPERATURES, line(seed, errors)) for seed in range(400)]
    assert 0.60 < np.mean([abs(each.slope.value - SLOPE) < each.slope.standard_error for each in found]) < 0.76
    covered = []
    for each in found:
        truth = -SLOPE / (RHO + SLOPE * (each.temperature - 300.0))
        covered.append(abs(each.expansion.value - truth) < each.expansion.standard_error)
    assert 0.60 < np.mean(covered) < 0.76


def test_slope_and_error_are_those_of_numpy() -> None:
    errors = np.linspace(1e-3, 4e-3, 6)
    found = thermal_expansion(TEMPERATURES, line(1, errors))
    slope, covariance = np.polyfit(TEMPERATURES, found.densities, 1, w=1.0 / errors, cov="unscaled")
    assert found.slope.value == pytest.approx(slope[0], rel=1e-9)
    assert found.slope.standard_error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-9)
    value, error = found.density_at(300.0)
    assert value[0] == pytest.approx(np.polyval(slope, 300.0), rel=1e-9)
    gradient = np.array([300.0, 1.0])
    assert error[0] == pytest.approx(math.sqrt(gradient @ covariance @ gradient), rel=1e-6)


def test_a_curved_density_widens_the_errors() -> None:
    curved = estimates(RHO - 1e-5 * (TEMPERATURES - 300.0) ** 2, 1e-4)
    assert "ρ(T) is curved" in thermal_expansion(TEMPERATURES, curved).notes[0]


def test_densities_without_errors() -> None:
    bare = [Estimate(each.value, math.nan, "", "", 5, math.nan, math.nan, "few") for each in line(1, np.full(6, 2e-3))]
    found = thermal_expansion(TEMPERATURES, bare)
    assert found.notes[0].startswith("6 of 6 densities have no error bar")
    assert 2e-5 < found.slope.standard_error < 1e-4
    two = thermal_expansion(TEMPERATURES[:2], bare[:2])
    assert math.isnan(two.slope.standard_error)
    assert two.slope.note == "two temperatures without error bars"


def test_one_temperature_has_no_slope() -> None:
    with pytest.raises(ValueError, match="at least two different temperatures, got 300"):
        thermal_expansion([300.0, 300.0], line(1, np.ones(6))[:2])
    with pytest.raises(ValueError, match="the density at 310 K must be finite"):
        thermal_expansion([300.0, 310.0], estimates(np.array([1.0, -1.0]), 1.0))
