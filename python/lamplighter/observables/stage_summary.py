"""Means, speed and drift of one stage."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamplighter.analysis.series import Estimate, drift, mean_with_error
from lamplighter.observables.production import production_of_stage, unsettled
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.stages import time_in_stage_ps
from lamplighter.run_folder.status import StageStatus


def summarise_stage(run: Run, stage: StageStatus) -> dict[str, Any]:
    """Numbers of one stage, ready for `summary.json`.

    Args:
        run: The run; where its number of atoms is not known, what is per atom is left out.
        stage: One of its stages.

    Returns:
        Keys `index type name length_ps steps_done wall_s steps_per_s ns_per_day averaged_over notes means drift`.
        `means` maps quantity to an `Estimate` as a dict (units: K, bar, g/cm³, eV/atom); `drift` is that of the
        total energy in meV/atom/ns for NVE stages, else None. A minimisation has no means but its energy per
        atom at the beginning and the end (`energy_before_eV_per_atom`, `energy_after_eV_per_atom`).
    """
    rows, natoms = run.thermo.stage(stage.index), run.natoms
    steps_done = int(rows["step"][-1] - rows["step"][0]) if rows.n_rows else 0
    summary: dict[str, Any] = {
        "index": stage.index,
        "type": stage.type or None,
        "name": stage.name,
        "steps_done": steps_done,
        "wall_s": stage.wall_s,
        "steps_per_s": steps_done / stage.wall_s if stage.wall_s else None,
        "notes": [],
    }
    if rows.n_rows == 0:
        summary["notes"].append("no rows in thermo.csv")
    if stage.is_minimisation:
        energy = rows["potential_energy_eV"] / (natoms or math.nan)
        summary["energy_before_eV_per_atom"] = float(energy[0]) if rows.n_rows else None
        summary["energy_after_eV_per_atom"] = float(energy[-1]) if rows.n_rows else None
        return summary

    time_ps = time_in_stage_ps(rows, stage)
    length_ps = float(time_ps[-1]) if rows.n_rows else 0.0
    summary["length_ps"] = length_ps
    summary["ns_per_day"] = length_ps * 1e-3 / stage.wall_s * 86400.0 if stage.wall_s else None
    chosen = production_of_stage(run, stage)
    production = chosen.of(time_ps)
    summary["averaged_over"] = chosen.words
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
    if stage.type == "npt":
        density = rows["density_g_cm3"][production]
        drifting = unsettled(density[np.isfinite(density)], "density")
        summary["notes"] += [drifting] if drifting else []
    summary["drift"] = None
    if stage.type == "nve" and natoms:
        finite = np.isfinite(rows["total_energy_eV"]) & np.isfinite(time_ps)
        energy_mev = rows["total_energy_eV"][finite] * 1000.0 / natoms
        summary["drift"] = asdict(drift(time_ps[finite] * 1e-3, energy_mev, "meV/atom/ns"))
    return summary


def _mean_of_finite(values: NDArray[np.float64], unit: str) -> tuple[Estimate, int]:
    finite = np.isfinite(values)
    return mean_with_error(values[finite], unit), int(len(values) - finite.sum())
