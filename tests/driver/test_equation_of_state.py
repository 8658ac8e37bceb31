"""Workflows run in LAMMPS: a Lennard-Jones fluid answers alike to pressure and in its fluctuations."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import constants

import lamplighter
from lamplighter.analysis.series import Estimate, mean_with_error
from lamplighter.observables.compression import compression_of_runs
from lamplighter.observables.thermal_expansion import thermal_expansion_of_runs
from lamplighter.report.page.content import Number
from lamplighter.report.page.section import ReportedRun, Wishes
from lamplighter.report.page.sections import equation_of_state
from lamplighter.run_folder.run import Run

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]

POTENTIAL = {"lammps": ["pair_style lj/cut 8.4", "pair_coeff * * 0.0104 3.40"]}
COUPLING = {
    "equilibration": "6 ps",
    "production": "50 ps",
    "thermostat": {"type": "svr", "damping": "0.5 ps"},
    "barostat": {"damping": "1 ps"},
}
MELT = [{"type": "nvt", "length": "5 ps", "temperature": ["150 K", "96 K"], "thermostat": "svr"}]
EV_PER_BAR_A3 = 1e5 * 1e-30 / constants.e


def run(write_run_file: Callable[..., Path], workflow: dict[str, Any]) -> Path:
    """108 atoms of liquid argon, started as a hot one."""
    output = {"thermo": "100 fs", "trajectory": "never", "restart": "never"}
    path = write_run_file(
        MELT, potential=POTENTIAL, timestep="5 fs", velocities="150 K", workflow=workflow, output=output
    )
    return lamplighter.run(path, progress=False).folder


def apart(first: Estimate, second: Estimate) -> float:
    """Difference in standard errors of both together."""
    return abs(first.value - second.value) / math.hypot(first.standard_error, second.standard_error)


def numbers_of_report(folder: Path) -> dict[str, Number]:
    return {each.name: each for each in equation_of_state.make(ReportedRun(folder, "argon", Wishes())).numbers}


def test_compressibility_from_compression_and_from_fluctuations_agree(write_run_file: Callable[..., Path]) -> None:
    pressures = ["200 bar", "500 bar", "900 bar", "1400 bar"]
    folder = run(write_run_file, {"compression": {"temperature": "96 K", "pressures": pressures, **COUPLING}})
    found = compression_of_runs([Run(folder)])
    assert [point.index for point in found.points] == [2, 4, 6, 8]
    assert (np.diff(found.fit.volumes) < 0.0).all()
    compared = 0
    for point in found.points:
        of_fit, of_fluctuations = found.fit.compressibility_at(point.pressure), point.density.compressibility
        assert 0.0 < of_fit.standard_error < 0.5 * of_fit.value
        if not of_fluctuations.note:
            assert apart(of_fit, of_fluctuations) < 4.0
            assert of_fluctuations.standard_error < 0.6 * of_fluctuations.value
            compared += 1
    assert compared >= 3
    # it is the liquid that is softest at the lowest pressure
    assert found.fit.compressibility_at(200.0).value > found.fit.compressibility_at(1400.0).value
    assert numbers_of_report(folder)["compressibility, from compression"].value == pytest.approx(
        1e10 * found.fit.compressibility.value
    )


def test_thermal_expansion_from_the_slope_and_from_fluctuations_agree(write_run_file: Callable[..., Path]) -> None:
    temperatures = ["85 K", "95 K", "105 K"]
    workflow = {"thermal_expansion": {"temperatures": temperatures, "pressure": "500 bar", **COUPLING}}
    folder = run(write_run_file, workflow)
    found = thermal_expansion_of_runs([Run(folder)])
    assert [point.temperature for point in found.points] == [85.0, 95.0, 105.0]
    assert found.pressure == 500.0
    assert found.line.slope.value < 0.0
    assert numbers_of_report(folder)["dρ/dT"].value == pytest.approx(1e3 * found.line.slope.value)
    rows = Run(folder).thermo.stage(found.points[1].index)
    # M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), eq. 2.87
    volume = rows["volume_A3"]
    enthalpy = rows["total_energy_eV"] + 500.0 * EV_PER_BAR_A3 * volume
    product = mean_with_error((volume - volume.mean()) * (enthalpy - enthalpy.mean()))
    scale = 1.0 / (constants.k / constants.e * 95.0**2 * volume.mean())
    alpha = Estimate(product.value * scale, product.standard_error * scale, "1/K", "", 0, 1.0, 0.0)
    assert alpha.standard_error < 0.5 * alpha.value
    assert apart(found.line.expansion, alpha) < 4.0
