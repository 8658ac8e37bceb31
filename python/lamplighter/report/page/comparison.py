"""Several runs beside each other: in what they differ, their numbers, mean and spread of each number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.analysis.series import Estimate
from lamplighter.observables.density import MOST_TEMPERATURES_APART, mean_of_runs
from lamplighter.report.page.content import Number
from lamplighter.report.page.section import ReportedRun
from lamplighter.report.page.sections.conditions import describe
from lamplighter.report.page.sections.potential import model_name


@dataclass(frozen=True)
class Spread:
    """A number over runs.

    Attributes:
        mean: Runs counting alike, its error from their spread.
        spread: Standard deviation between runs.
    """

    mean: Estimate
    spread: float


@dataclass(frozen=True)
class Comparison:
    """A table of runs.

    Attributes:
        differences: What the runs differ in, and what each has, in the order of the runs.
        quantities: Names and units of the numbers, in order.
        numbers: Of each run, by name.
        spreads: By name; of those that at least two runs have without a bound.
        refused: Why there are no means; empty where there are.
    """

    differences: list[tuple[str, list[str]]]
    quantities: list[tuple[str, str]]
    numbers: list[dict[str, Number]]
    spreads: dict[str, Spread]
    refused: str


def compare(runs: Sequence[ReportedRun], numbers: Sequence[Sequence[Number]]) -> Comparison:
    """Put the numbers of runs beside each other; means only of runs of one system at one temperature."""
    by_name = [{each.name: each for each in found} for found in numbers]
    units: dict[str, str] = {}
    for found in numbers:
        for each in found:
            if each.value is not None or each.name not in units:
                units[each.name] = each.unit
    units = {name: unit for name, unit in units.items() if any(_has(found.get(name)) for found in by_name)}
    refused = refusal(runs) or _apart(runs, by_name)
    spreads = {}
    if not refused:
        for name, unit in units.items():
            there = [found[name] for found in by_name if name in found]
            counted = [each for each in there if _has(each) and not each.bound]
            if len(counted) >= 2:
                spreads[name] = _spread([each.value or 0.0 for each in counted], unit)
    return Comparison(_differences(runs), list(units.items()), by_name, spreads, refused)


def refusal(runs: Sequence[ReportedRun]) -> str:
    """Why the runs are not of one system; empty where they are."""
    systems = dict.fromkeys(run.system for run in runs if run.system)
    if len(systems) < 2:
        return ""
    which = "; ".join(f"{', '.join(run.label for run in runs if run.system == each)}: {each}" for each in systems)
    return f"the runs are of different systems, which have no common mean ({which})"


def _apart(runs: Sequence[ReportedRun], by_name: Sequence[dict[str, Number]]) -> str:
    """Whether the runs were asked for different temperatures; where that is not recorded, whether they had them."""
    asked = [str(temperature) if (temperature := _last(run).get("temperature")) else "" for run in runs]
    if all(asked):
        different = list(dict.fromkeys(asked))
        return "" if len(different) == 1 else f"the runs are at different temperatures, {', '.join(different)}"
    found = [each.value for numbers in by_name if (each := numbers.get("temperature")) and each.value is not None]
    if len(found) < 2 or max(found) <= (1.0 + MOST_TEMPERATURES_APART) * min(found):
        return ""
    return f"the runs are at different temperatures, {min(found):.4g} to {max(found):.4g} K"


def _has(found: Number | None) -> bool:
    return found is not None and found.value is not None and math.isfinite(found.value)


def _spread(values: list[float], unit: str) -> Spread:
    mean = mean_of_runs([Estimate(value, math.nan, unit, "", 1, 1.0, 1.0) for value in values])
    return Spread(mean, float(np.std(values, ddof=1)))


def _differences(runs: Sequence[ReportedRun]) -> list[tuple[str, list[str]]]:
    features = {
        "system": [run.system for run in runs],
        "models": [_models(run) for run in runs],
        "seed": [str(run.provenance.get("seed", "–")) for run in runs],
        "last stage": [_last_stage(run) for run in runs],
    }
    return [(name, values) for name, values in features.items() if len(set(values)) > 1]


def _models(run: ReportedRun) -> str:
    models = run.provenance.get("models") or []
    if not models:
        return str(run.asked("potential").get("kind") or "–")
    more = f" + {len(models) - 1}" if len(models) > 1 else ""
    return f"{model_name(models[0])}{more} ({str(models[0].get('sha256') or '')[:7]})"


def _last_stage(run: ReportedRun) -> str:
    words = [_last(run).get(key) for key in ("type", "temperature", "pressure", "length")]
    return " ".join(describe(word) for word in words if word is not None) or "–"


def _last(run: ReportedRun) -> dict[str, Any]:
    """The last stage that the run file asked for; empty where it is not recorded."""
    stages = run.run_file.get("stages") or [{}]
    return stages[-1] if isinstance(stages[-1], dict) else {}
