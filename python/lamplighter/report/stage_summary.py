"""Means, speed and drift of one stage."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamplighter.analysis.series import Estimate, drift, mean_with_error
from lamplighter.report.run_folder import StageRecord
from lamplighter.report.thermo_table import ThermoTable

EQUILIBRATION_PS = 100.0
"""What the protocol drops from the beginning of a run (docs/statistics.md)."""


def stage_time_ps(rows: ThermoTable, timestep_fs: float | None) -> NDArray[np.float64]:
    """Time since the first row of a stage, in ps, shape (n_rows,).

    From the steps where the timestep is known, else from the table's own time.
    """
    if len(rows) == 0:
        return np.empty(0)
    if timestep_fs:
        return (rows["step"] - rows["step"][0]) * timestep_fs / 1000.0
    return rows["time_ps"] - rows["time_ps"][0]


def latter_part(time_ps: NDArray[np.float64]) -> tuple[NDArray[np.bool_], str]:
    """Which rows of a stage count as production, and in words what was discarded.

    The first 100 ps are discarded where the stage is longer than that, else its first half.
    """
    length = float(time_ps[-1]) if len(time_ps) else 0.0
    if not math.isfinite(length):
        half = len(time_ps) // 2
        return np.arange(len(time_ps)) >= half, "first half of the rows discarded"
    if length > EQUILIBRATION_PS:
        return time_ps > EQUILIBRATION_PS, f"first {EQUILIBRATION_PS:g} ps of {length:g} ps discarded"
    return time_ps > length / 2, f"first half ({length / 2:.4g} ps of {length:.4g} ps) discarded"


def summarise_stage(stage: StageRecord, rows: ThermoTable, natoms: int | None) -> dict[str, Any]:
    """Numbers of one stage, ready for `summary.json`.

    Args:
        stage: What was planned and how long it took.
        rows: The stage's rows of the thermo table.
        natoms: Number of atoms; None leaves out what is per atom.

    Returns:
        Keys `index type name length_ps steps_done wall_s steps_per_s ns_per_day averaged_over notes means drift`.
        `means` maps quantity to an `Estimate` as a dict (units: K, bar, g/cm³, eV/atom); `drift` is that of the
        total energy in meV/atom/ns for NVE stages, else None. A minimisation has no means but its energy per
        atom at the beginning and the end (`energy_before_eV_per_atom`, `energy_after_eV_per_atom`).
    """
    steps_done = int(rows["step"][-1] - rows["step"][0]) if len(rows) else 0
    summary: dict[str, Any] = {
        "index": stage.index,
        "type": stage.type or None,
        "name": stage.name,
        "steps_done": steps_done,
        "wall_s": stage.wall_s,
        "steps_per_s": steps_done / stage.wall_s if stage.wall_s else None,
        "notes": [],
    }
    if len(rows) == 0:
        summary["notes"].append("no rows in thermo.csv")
    if stage.is_minimisation:
        energy = rows["potential_energy_eV"] / (natoms or math.nan)
        summary["energy_before_eV_per_atom"] = float(energy[0]) if len(rows) else None
        summary["energy_after_eV_per_atom"] = float(energy[-1]) if len(rows) else None
        return summary

    time_ps = stage_time_ps(rows, stage.timestep_fs)
    length_ps = float(time_ps[-1]) if len(rows) else 0.0
    summary["length_ps"] = length_ps
    summary["ns_per_day"] = length_ps * 1e-3 / stage.wall_s * 86400.0 if stage.wall_s else None
    production, discarded = latter_part(time_ps)
    summary["averaged_over"] = discarded
    quantities = {
        "temperature": (rows["temperature_K"], "K"),
        "pressure": (rows["pressure_bar"], "bar"),
        "density": (rows["density_g_cm3"], "g/cm³"),
    }
    if natoms:
        quantities["potential_energy"] = (rows["potential_energy_eV"] / natoms, "eV/atom")
    means: dict[str, Any] = {}
    for name, (values, unit) in quantities.items():
        estimate, n_bad = _mean_of_finite(values[production], unit)
        means[name] = asdict(estimate)
        if n_bad:
            summary["notes"].append(f"{name}: {n_bad} rows that are not finite were left out of the mean")
    summary["means"] = means
    summary["drift"] = None
    if stage.type == "nve" and natoms:
        finite = np.isfinite(rows["total_energy_eV"]) & np.isfinite(time_ps)
        energy_mev = rows["total_energy_eV"][finite] * 1000.0 / natoms
        summary["drift"] = asdict(drift(time_ps[finite] * 1e-3, energy_mev, "meV/atom/ns"))
    return summary


def _mean_of_finite(values: NDArray[np.float64], unit: str) -> tuple[Estimate, int]:
    finite = np.isfinite(values)
    return mean_with_error(values[finite], unit), int(len(values) - finite.sum())
