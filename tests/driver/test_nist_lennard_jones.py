"""A Lennard-Jones liquid has NIST's energy and pressure, by a run file and the means of its summary.

T* = 0.85, r_c = 3σ with corrections for the tail, 500 atoms. Values: NIST Standard Reference Simulation Website,
Lennard-Jones fluid properties by molecular dynamics; here in K, eV and bar of argon-like atoms.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml

import lamplighter

SIGMA_A, EPSILON_EV = 3.405, 0.0104
BOLTZMANN = 8.617343e-5  # eV/K, as LAMMPS' metal units have it
BAR = 1.6021765e6  # in eV/Å³
T_STAR = 0.85
NIST = {0.776: (-5.5121, 0.0068), 0.82: (-5.7947, 0.5536), 0.90: (-6.2391, 2.2314)}
"""Energy a particle and pressure, by density; all reduced."""

NIST_ERRORS = (5e-4, 2e-3)
"""Of these, as their digits and the page's own standard deviations let one expect."""


def means(folder: Path, density: float, length_ps: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """u* and p*, each with its standard error."""
    edge = (4 / density) ** (1 / 3) * SIGMA_A
    ase.io.write(folder / "liquid.xyz", ase.build.bulk("Ar", "fcc", a=edge, cubic=True).repeat(5))
    kelvin = T_STAR * EPSILON_EV / BOLTZMANN

    def nvt(times: float, length: float) -> dict[str, Any]:
        return {"type": "nvt", "length": f"{length} ps", "temperature": f"{times * kelvin} K",
                "thermostat": {"type": "svr", "damping": "1 ps"}}  # fmt: skip

    content = {
        "structure": str(folder / "liquid.xyz"),
        "potential": {
            "lammps": [
                f"pair_style lj/cut {3 * SIGMA_A}",
                f"pair_coeff 1 1 {EPSILON_EV} {SIGMA_A}",
                "pair_modify tail yes",
            ]
        },
        "timestep": "8 fs",
        "neighbour": {"skin": "1.5 A"},
        "stages": [nvt(4, 16), nvt(1, 24), nvt(1, length_ps)],
        "output": {"thermo": "80 fs", "trajectory": "never", "restart": "never"},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(content))
    run = lamplighter.run(folder / "run.yaml", progress=False)
    found = json.loads((run.folder / "summary.json").read_text())["stages"][2]["means"]
    energy = found["potential_energy"]
    pressure = found["pressure"]
    to_star = SIGMA_A**3 / EPSILON_EV / BAR
    return (
        (energy["value"] / EPSILON_EV, energy["standard_error"] / EPSILON_EV),
        (pressure["value"] * to_star, pressure["standard_error"] * to_star),
    )


def hold_against_nist(folder: Path, density: float, length_ps: float, least: tuple[float, float]) -> None:
    measured = means(folder, density, length_ps)
    for (value, error), expected, of_nist, coarsest in zip(measured, NIST[density], NIST_ERRORS, least, strict=True):
        assert error < coarsest  # or the comparison would say nothing
        assert abs(value - expected) < 4 * (error**2 + of_nist**2) ** 0.5, (density, measured)


@pytest.mark.thorough
def test_a_liquid_has_nist_s_energy_and_pressure(tmp_path: Path) -> None:
    hold_against_nist(tmp_path, 0.82, 80.0, (0.01, 0.05))


@pytest.mark.slow
@pytest.mark.parametrize("density", NIST)
def test_a_long_run_has_nist_s_energy_and_pressure(density: float, tmp_path: Path) -> None:
    hold_against_nist(tmp_path, density, 500.0, (0.003, 0.015))
