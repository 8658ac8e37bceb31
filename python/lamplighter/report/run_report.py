"""The report of a run: `summary.json` and `thermo.png` in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.errors import RunFolderError
from lamplighter.observables.production import production_of_committee
from lamplighter.observables.stage_summary import summarise_stage
from lamplighter.run_folder.names import SUMMARY, THERMO, THERMO_FIGURE
from lamplighter.run_folder.run import Run


def run_report(run_folder: Path) -> dict[str, Any]:
    """Write `summary.json` and `thermo.png` into a run folder, whole or broken off, and return the summary.

    Returns:
        Keys `status error failed_stage natoms ranks threads_per_rank wall_s stability committee stages volume_scan
        notes figure`; `stages` as in `stage_summary.summarise_stage`. Numbers that do not exist are None (null in the
        file).

    Raises:
        RunFolderError: there is no run in the folder, or the report cannot be written there.
    """
    from lamplighter.report.figure import draw_thermo  # here, because matplotlib takes a second to import

    run = Run(run_folder)
    summary = summary_of(run)
    figure = run.folder / THERMO_FIGURE
    try:
        if draw_thermo(run, figure):
            summary["figure"] = figure.name
        elif not run.is_scan_alone:
            summary["notes"].append(f"no figure: {THERMO} holds no step of dynamics")
        text = json.dumps(summary, indent=2, allow_nan=False)
        new = run.folder / f"{SUMMARY}.new"
        new.write_text(text + "\n", encoding="utf-8")
        new.replace(run.folder / SUMMARY)
    except OSError as problem:
        raise RunFolderError(
            f"the report cannot be written into {run.folder}: {problem.strerror or problem}"
        ) from problem
    return summary


def summary_of(run: Run) -> dict[str, Any]:
    stages = [summarise_stage(run, stage) for stage in run.stages]
    for stage in stages:
        if stage["index"] == run.failed_stage and stage["steps_done"]:
            stage["notes"].append("the run failed in this stage; its means include what led to that")
    summary: dict[str, Any] = {
        "status": run.status,
        "error": run.error,
        "failed_stage": run.failed_stage,
        "natoms": run.natoms,
        "ranks": run.status_file.ranks,
        "threads_per_rank": run.status_file.threads_per_rank,
        "wall_s": run.wall_s,
        "stability": _stability(run),
        "committee": _committee(run),
        "stages": stages,
        "volume_scan": None if run.volume_scan is None else asdict(run.volume_scan),
        "notes": list(run.notes),
        "figure": None,
    }
    without_nan: dict[str, Any] = _without_nan(summary)
    return without_nan


def _stability(run: Run) -> dict[str, Any] | None:
    """Simulated time until the first failure, ps; censored where there was none (protocol: trajectory stability)."""
    guard = run.guard
    if guard is None or guard.time_ps is None:
        return None
    words = {"explanation": _explanation(run), "note": _unwatched(run, guard.criteria)}
    return {
        "t_stab_ps": guard.time_ps,
        "censored": guard.criterion is None,
        "cause": guard.criterion,
        "criteria": guard.criteria,
    } | {key: text for key, text in words.items() if text}


def _explanation(run: Run) -> str:
    """What the event that ended the run says beyond its numbers."""
    causes = [event.cause for event in run.events if event.action == "stop" and event.cause]
    return causes[-1] if causes else ""


def _unwatched(run: Run, criteria: Sequence[str]) -> str:
    """What the guard could not watch, in words."""
    bonds = [each for each in criteria if each.startswith("bond")]
    if not bonds or not run.has_no_bonds:
        return ""
    return f"there are no bonds: {' and '.join(bonds)} watched nothing"


def _committee(run: Run) -> dict[str, Any] | None:
    """How far the models disagreed: of the largest force variance of each evaluation, the largest and the median."""
    table = run.committee
    if table is None or table.n_rows == 0:
        return None
    largest = table["variance_max_eV2_A2"]
    finite = np.isfinite(largest)
    worst = int(np.nanargmax(largest)) if finite.any() else 0
    production, averaged_over = production_of_committee(run, table)
    kept = table["variance_mean_eV2_A2"][production]
    kept = kept[np.isfinite(kept)]
    return {
        "models": int(table["models"][-1]),
        "evaluations": table.n_rows,
        "variance_max_eV2_A2": float(largest[worst]),
        "variance_max_at_ps": float(table["time_ps"][worst]),
        "variance_max_at_step": int(table["evaluated_step"][worst]),
        "median_variance_max_eV2_A2": float(np.median(largest[finite])) if finite.any() else None,
        "mean_variance_eV2_A2": float(kept.mean()) if len(kept) else None,
        "mean_averaged_over": averaged_over,
    }


def _without_nan(value: Any) -> Any:
    """The same with None for every number that is not finite: JSON has no nan."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
