"""What came of active learning, as text, tables, a figure and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.learning.learning import GenerationQuality, GenerationResult, Learning, OverModels

_HEAD = ("generation", "frames", "runs", "failed", "uncertain", "added", "forces along, eV/Å", "ρ(σ², error²)", "Q")
_SETS_HEAD = ("generation", "set", "frames", "energy RMSE, meV/atom", "forces RMSE, eV/Å", "stress RMSE, meV/Å³")
_RUNS_HEADER = ("generation", "run", "time_ps", "failed", "ended_by", "largest_uncertainty", "density_g_cm3")
_QUANTITIES = ("energy_rmse_meV_atom", "forces_rmse_eV_A", "fx_rmse_eV_A", "fy_rmse_eV_A", "fz_rmse_eV_A",
               "stress_rmse_meV_A3")  # fmt: skip
_ERRORS_HEADER = ("generation", "set", "frames", *(name for each in _QUANTITIES for name in (each, f"{each}_spread")))
_GENERATIONS_HEADER = (
    "generation", "training_frames", "measure", "threshold", "runs", "failed_runs", "uncertain_runs", "added_frames",
    "squared_error_over_variance", "rank_correlation", "quality", "quality_error", "mean_density_g_cm3",
    "mean_diffusivity_1e-6_cm2_s", "training_wall_s",
)  # fmt: skip


def format_learning(result: Learning) -> str:
    """A line each generation, its errors by set, and where the models are."""
    if not result.generations:
        return f"{result.folder}: no generation is done yet" + (f"\n{result.under_way}" if result.under_way else "")
    head, body = generation_rows(result)
    lines = table_text.rows(head, body, right=True)
    head, body = error_rows(result.generations)
    lines += ["", *table_text.rows(head, body, right=True)]
    lines += ["", "errors are means over the models of a generation ± their standard deviation", ""]
    lines += [f"enough: {result.ended}"] if result.ended else ["it goes on: no rule is met yet"]
    lines += [result.under_way] if result.under_way else []
    lines += ["models: " + ", ".join(str(each) for each in result.models)]
    notes = [
        *result.notes,
        *(f"generation {each.number}: {note}" for each in result.generations for note in each.notes),
    ]
    return "\n".join(lines + [f"Note: {note}" for note in notes])


def generation_rows(result: Learning) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of generations."""
    return _HEAD, [_row(each) for each in result.generations]


def error_rows(generations: Sequence[GenerationResult]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of errors by set."""
    return _SETS_HEAD, [
        (
            str(each.number),
            name,
            str(found.frames),
            _with_spread(found.energy, 2),
            _with_spread(found.forces, 4),
            "–" if found.stress is None else _with_spread(found.stress, 2),
        )
        for each in generations
        for name, found in each.errors.items()
    ]


def _row(each: GenerationResult) -> tuple[str, ...]:
    along = each.errors.get("along")
    return (
        str(each.number),
        str(sum(each.frames.values())),
        str(len(each.runs)) if each.explored else "–",
        str(each.failed_runs) if each.explored else "–",
        str(each.uncertain) if each.above is not None else "–",
        str(each.added) if each.explored else "–",
        "–" if along is None else f"{along.forces.mean:.4f}",
        "–" if math.isnan(each.correlation) else f"{each.correlation:.2f}",
        "–" if each.quality is None else q_in_words(each.quality),
    )


def q_in_words(quality: GenerationQuality) -> str:
    """With its error; a lower bound is said to be one."""
    error = "" if math.isnan(quality.standard_error) else f" ± {quality.standard_error:.2f}"
    return f"{'≥ ' if quality.lower_bound else ''}{quality.value:.2f}{error}"


def _with_spread(each: OverModels, digits: int) -> str:
    return f"{each.mean:.{digits}f}" + ("" if math.isnan(each.spread) else f" ± {each.spread:.{digits}f}")


def learning_as_json(result: Learning) -> Any:
    """What `--json` prints: all of it."""
    return result


def generations_table(result: Learning) -> Table:
    """A row each generation."""
    return Table(
        _GENERATIONS_HEADER,
        [
            [
                each.number,
                sum(each.frames.values()),
                each.measure,
                each.above,
                len(each.runs),
                each.failed_runs,
                each.uncertain,
                each.added,
                each.calibration,
                each.correlation,
                *_numbers_of(each.quality),
                each.wall_s,
            ]
            for each in result.generations
        ],
    )


def _numbers_of(quality: GenerationQuality | None) -> list[float | None]:
    if quality is None:
        return [None] * 4
    density = float(np.mean(quality.densities)) if quality.densities else None
    motion = TO_1E6_CM2_S * float(np.mean(quality.diffusivities)) if quality.diffusivities else None
    return [quality.value, quality.standard_error, density, motion]


def errors_table(result: Learning) -> Table:
    """A row each set of each generation: means over the models, and their standard deviation."""
    rows = []
    for each in result.generations:
        for name, found in each.errors.items():
            components: list[OverModels | None] = [*found.components] or [None, None, None]
            numbers = [found.energy, found.forces, *components, found.stress]
            values = [value for one in numbers for value in ((None, None) if one is None else (one.mean, one.spread))]
            rows.append([each.number, name, found.frames, *values])
    return Table(_ERRORS_HEADER, rows)


def runs_table(result: Learning) -> Table:
    """A row each run."""
    return Table(
        _RUNS_HEADER,
        [
            [each.number, run.name, run.time_ps, int(run.failed), run.ended_by, run.largest_uncertainty, run.density]
            for each in result.generations
            for run in each.runs
        ],
    )


def learning_figure(result: Learning) -> Figure:
    """The RMSE of forces over each set against the generation."""
    figure, (axes,) = new_figure()
    names = dict.fromkeys(name for each in result.generations for name in each.errors)
    for place, name in enumerate(names):
        points = [(each.number, each.errors[name]) for each in result.generations if name in each.errors]
        spread = [0.0 if math.isnan(found.forces.spread) else found.forces.spread for _, found in points]
        axes.errorbar(
            [number for number, _ in points],
            [found.forces.mean for _, found in points],
            yerr=spread,
            fmt=".-",
            capsize=2,
            color=PALETTE[place % len(PALETTE)],
            label=name,
        )
    axes.set_xlabel("generation")
    axes.set_ylabel("RMSE of forces (eV/Å)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if names:
        axes.legend(frameon=False)
    return figure


SHOWN = Shown(
    format_learning,
    learning_as_json,
    figures={"learning": learning_figure},
    tables={"generations": generations_table, "errors": errors_table, "runs": runs_table},
)
"""How `learn` shows what came of it."""
