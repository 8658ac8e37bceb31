"""Shear viscosity: series whose integral is known, LAMMPS' own correlator, STACIE, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import constants
from scipy.signal import lfilter
from tests.lennard_jones import _SYSTEM as LIQUID
from tests.lennard_jones import EDGE_A

from lamplighter.analysis.viscosity import PIECES, _autocorrelations, anisotropic_components, shear_viscosity
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError

VOLUME, TEMPERATURE = 1e4, 300.0
UNIT = VOLUME * 1e-30 / (constants.k * TEMPERATURE) * 1e10 * 1e-12 * 1e3
"""bar² ps in mPa s."""

STRONG, SLOW, FAST = (1.0, 20.0, 0.0), (0.3, 40.0, 0.0), (5.0, 6.0, 1.0)
"""Variance, relaxation time and frequency, in intervals."""


def stochastic(n: int, parts: list[tuple[float, float, float]], rng: np.random.Generator) -> tuple[Floats, float]:
    """A pressure tensor whose components relax as Σ v e^(−t/τ) cos ωt, and the viscosity that follows."""
    tensor, integral = np.zeros((n, 6)), 0.0
    for variance, time, frequency in parts:
        decay = np.exp(-1.0 / time)
        noise = rng.standard_normal((2, n, 6)) * np.sqrt(1.0 - decay**2)
        noise[:, 0] /= np.sqrt(1.0 - decay**2)
        real, imaginary = lfilter([1.0], [1.0, -decay], noise, axis=1)
        phase = frequency * np.arange(n)[:, None]
        scale = np.sqrt(variance * np.array([2, 2, 2, 1, 1, 1]))  # so that (xx − yy)/2 fluctuates as xy does
        tensor += scale * (real * np.cos(phase) + imaginary * np.sin(phase))
        turning = decay * np.exp(1j * frequency)
        integral += variance * (0.5 + (turning / (1.0 - turning)).real)
    return tensor, integral * UNIT


def test_the_unit_is_that_of_the_formula() -> None:
    assert pytest.approx(1e-26 / 4.141947e-21 * 1e10 * 1e-12 * 1e3, rel=1e-5) == UNIT
    tensor, expected = stochastic(40_000, [STRONG], np.random.default_rng(0))
    made = shear_viscosity(tensor, 1.0, VOLUME, TEMPERATURE)
    assert made.value == pytest.approx(expected, rel=0.25)
    twice = shear_viscosity(2.0 * tensor, 0.5, 3.0 * VOLUME, 2.0 * TEMPERATURE)
    assert twice.value == pytest.approx(4.0 * 0.5 * 3.0 / 2.0 * made.value)


@pytest.mark.parametrize("parts", [[STRONG], [SLOW, FAST]], ids=["one time", "vibrations over a slow part"])
def test_error_bars_cover_the_truth(parts: list[tuple[float, float, float]]) -> None:
    rng = np.random.default_rng(5)
    away, values = [], []
    for _ in range(30):
        tensor, expected = stochastic(16_000, parts, rng)
        made = shear_viscosity(tensor, 1.0, VOLUME, TEMPERATURE)
        away.append((made.value - expected) / made.standard_error)
        values.append(made.value / expected)
    away, values = np.abs(away), np.array(values)
    assert (away < 1.0).sum() >= 14  # 20 of 30 expected; fewer than 14 has a probability of 1 %
    assert (away < 2.0).sum() >= 25
    assert values.mean() == pytest.approx(1.0, abs=0.06)
    assert 0.04 < values.std() < 0.2  # and they are no wider than need be


def test_a_long_series_is_cut_into_more_pieces_with_less_noise() -> None:
    tensor, expected = stochastic(60_000, [(1.0, 10.0, 0.0)], np.random.default_rng(1))
    fixed = shear_viscosity(tensor, 1.0, VOLUME, TEMPERATURE, PIECES)
    made = shear_viscosity(tensor, 1.0, VOLUME, TEMPERATURE)
    assert fixed.n_pieces == PIECES < made.n_pieces
    assert made.cutoff_ps < fixed.cutoff_ps
    assert made.standard_error < 0.06 * expected
    assert made.value == pytest.approx(expected, abs=3.0 * made.standard_error)


def test_an_integral_without_a_plateau_is_not_called_converged() -> None:
    rng = np.random.default_rng(2)
    made = [shear_viscosity(stochastic(2000, [(1.0, 200.0, 0.0)], rng)[0], 1.0, VOLUME, TEMPERATURE) for _ in range(8)]
    assert sum(each.converged for each in made) <= 2


def test_what_cannot_be_integrated_is_refused() -> None:
    tensor = np.random.default_rng(0).standard_normal((790, 6))
    with pytest.raises(LamplighterError, match=r"790 samples .* are too few: 20 pieces of at least 40"):
        shear_viscosity(tensor, 1.0, VOLUME, TEMPERATURE)
    with pytest.raises(LamplighterError, match="does not fluctuate"):
        shear_viscosity(np.ones((2000, 6)), 1.0, VOLUME, TEMPERATURE)
    tensor = np.random.default_rng(0).standard_normal((2000, 6))
    tensor[7, 3] = np.nan
    with pytest.raises(LamplighterError, match="not finite"):
        shear_viscosity(tensor, 1.0, VOLUME, TEMPERATURE)


@pytest.fixture(scope="module")
def liquid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Floats, Floats, float]:
    """Pressure tensor of the Lennard-Jones liquid every 16 fs for 240 ps, LAMMPS' correlation of it, and T."""
    folder = tmp_path_factory.mktemp("lennard_jones")
    script = (
        LIQUID.replace("SEED", "1")
        + """
velocity        all scale 120.7
fix             integrate all nve
variable        pxy equal pxy
variable        pxz equal pxz
variable        pyz equal pyz
thermo_style    custom step temp pxx pyy pzz pxy pxz pyz
thermo_modify   format float %.15g
thermo          2
fix             correlate all ave/correlate 2 200 30000 v_pxy v_pxz v_pyz type auto file correlation ave running
run             30000
"""
    )
    (folder / "in.lj").write_text(script)
    program = [str(Path(sys.prefix) / "bin" / "lmp"), "-in", "in.lj", "-log", "log", "-screen", "none"]
    subprocess.run(program, cwd=folder, timeout=280, check=True)
    lines = (folder / "log").read_text().splitlines()
    begin = max(place for place, line in enumerate(lines) if line.split()[:1] == ["Step"]) + 1
    rows = np.array([[float(word) for word in line.split()] for line in lines[begin : begin + 15_001]])
    correlation = np.loadtxt((folder / "correlation").read_text().splitlines()[-200:])
    return rows[:, 2:], correlation, float(rows[:, 1].mean())


@pytest.mark.thorough
def test_the_autocorrelation_is_that_of_lammps(liquid: tuple[Floats, Floats, float]) -> None:
    tensor, correlation, _ = liquid
    mine = _autocorrelations(tensor[None, :, 3:], 200)[0]
    np.testing.assert_allclose(mine, correlation[:, 3:].mean(axis=1), atol=1e-5 * mine[0])


@pytest.mark.thorough
def test_a_liquid_has_the_viscosity_that_stacie_finds(liquid: tuple[Floats, Floats, float]) -> None:
    """And about that of the literature for T* = 1, ρ* = 0.8: K. Meier et al., J. Chem. Phys. 121, 3671 (2004)."""
    stacie = pytest.importorskip("stacie")
    tensor, _, temperature = liquid
    made = shear_viscosity(tensor, 0.016, EDGE_A**3, temperature)
    assert made.converged
    xx, yy, zz = tensor[:, :3].T
    independent = [tensor[:, 3], tensor[:, 4], tensor[:, 5], (yy - zz) / 2.0, (xx - 0.5 * yy - 0.5 * zz) / np.sqrt(3.0)]
    unit = EDGE_A**3 * 1e-30 / (constants.k * temperature) * 1e10 * 1e-12 * 1e3
    spectrum = stacie.compute_spectrum(np.array(independent), prefactors=unit, timestep=0.016, include_zero_freq=False)
    other = stacie.estimate_acint(spectrum, stacie.ExpPolyModel([0, 2]))
    assert made.value == pytest.approx(other.acint, abs=3.0 * np.hypot(made.standard_error, other.acint_std))
    assert made.standard_error < 0.15 * made.value
    reduced = made.value / 0.09068  # √(mε)/σ² of argon, mPa s
    assert 1.7 < reduced < 2.6


def test_components_are_as_large_as_each_other() -> None:
    tensor = np.random.default_rng(0).standard_normal((50_000, 6)) * np.sqrt([2, 2, 2, 1, 1, 1])
    np.testing.assert_allclose(anisotropic_components(tensor).var(axis=0), 1.0, rtol=0.05)
