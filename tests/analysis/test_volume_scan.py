"""Wells, walls and descents of energy curves whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from lamplighter.analysis.series import Estimate
from lamplighter.analysis.volume_scan import curve_errors, energy_curve, molecules_for_scan, spread

DENSITIES = np.linspace(0.1, 2.0, 20)
DEPTH, WELL, N = 0.3, 0.93, 12


def morse(densities: np.ndarray, depth: float = DEPTH, well: float = WELL) -> np.ndarray:
    """Zero at density zero, a well, and zero again at twice the density of the well: −d(2x − x²), x = ρ/ρ_w."""
    x = densities / well
    return -depth * (2.0 * x**2 - x**4)


def curve(values: np.ndarray, densities: np.ndarray = DENSITIES, plateau: float = -700.0):
    return energy_curve("model", densities, plateau + N * values, plateau, N)


def test_a_bond_that_is_long_at_500_k_does_not_take_its_molecule_apart() -> None:
    """C–H of 1.24 Å, as in a liquid of OPLS-AA at 500 K; the scan would carry the hydrogen away."""
    methane = molecule("CH4")
    methane.set_distance(0, 1, 1.24, fix=0)
    pair = Atoms(cell=[12.0] * 3, pbc=True)
    for place in (2.0, 7.0):
        moved = methane.copy()
        moved.translate([place] * 3)
        pair += moved
    whole, found = molecules_for_scan(pair)
    assert list(found.of_atom) == [0] * 5 + [1] * 5
    assert np.allclose(whole.get_distance(0, 1), 1.24)


def test_well_and_wall_of_a_known_curve() -> None:
    found = curve(morse(DENSITIES))
    assert found.interaction == pytest.approx(morse(DENSITIES), abs=1e-12)
    assert abs(found.well_density.value - WELL) < max(found.well_density.standard_error, 1e-3)
    assert found.well_density.value == pytest.approx(WELL, abs=2e-3)
    assert found.well_energy.value == pytest.approx(-DEPTH, abs=2e-4)
    assert found.wall.value == pytest.approx(math.sqrt(2.0) * WELL, abs=5e-3)
    assert 0.0 < found.wall.standard_error < 0.02
    assert found.turns_down is None


def test_errors_of_interpolation_shrink_with_the_grid_and_cover_the_truth() -> None:
    coarse = np.linspace(0.1, 2.0, 9)
    rough, fine = curve(morse(coarse), coarse), curve(morse(DENSITIES))
    assert rough.well_density.standard_error > 2.0 * fine.well_density.standard_error
    for found in (rough, fine):
        assert abs(found.well_energy.value + DEPTH) < max(found.well_energy.standard_error, 1e-6)


def test_with_few_points_the_well_has_no_error() -> None:
    few = np.array([0.5, 0.9, 1.3])
    found = curve(morse(few), few)
    assert 0.8 < found.well_density.value < 1.0
    assert math.isnan(found.well_density.standard_error)


def test_a_model_that_collapses_is_found_out() -> None:
    values = morse(DENSITIES)
    values[16:] = values[15] - 5.0 * (DENSITIES[16:] - DENSITIES[15])
    found = curve(values)
    assert found.turns_down == pytest.approx(DENSITIES[15])
    assert found.well_density.value == pytest.approx(WELL, abs=2e-3)  # not the bottom of the collapse


def test_what_is_not_there_is_said() -> None:
    repulsive = curve(DENSITIES**3)
    assert repulsive.well_density.note == "the energy is nowhere below the plateau: there is no well"
    assert repulsive.wall.note == "there is no well"
    falling = curve(morse(DENSITIES[:5]), DENSITIES[:5])
    assert falling.well_density.note == "the lowest energy is at the end of the scan, 0.5 g/cm³"
    assert falling.wall.note == "the energy stays below the plateau up to 0.5 g/cm³"
    assert math.isnan(falling.well_energy.value)
    assert falling.turns_down is None


def test_a_curve_against_its_reference() -> None:
    reference = curve(morse(DENSITIES))
    shifted = curve(morse(DENSITIES) + np.where(DENSITIES < 1.35, 0.01, 7.0), plateau=-701.2)
    errors = curve_errors(shifted, reference, N)
    assert errors.plateau == pytest.approx(-0.1)
    assert errors.rms_attractive == pytest.approx(0.01)  # what lies on the wall does not count
    assert errors.largest_attractive == pytest.approx(0.01)
    assert errors.n_attractive == 13
    assert math.isnan(curve_errors(shifted, curve(DENSITIES), N).rms_attractive)


def test_the_spread_of_models() -> None:
    several = [Estimate(value, 0.1, "g/cm³", "", 5, 1.0, 5.0) for value in (0.9, 1.0, 1.1, math.nan)]
    found = spread(several)
    assert found is not None
    assert (found.value, found.standard_error, found.n_samples) == (pytest.approx(1.0), pytest.approx(0.1), 3)
    assert spread(several[2:]) is None


def test_bad_curves_are_refused() -> None:
    with pytest.raises(ValueError, match="densities must ascend"):
        curve(morse(DENSITIES), DENSITIES[::-1])
    broken = morse(DENSITIES)
    broken[4] = np.nan
    with pytest.raises(ValueError, match=r"the energy of model at 0\.5 g/cm³ is not finite"):
        curve(broken)
