"""What came of active learning, as text, tables, figures and JSON."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.report import learning_bonds_text, learning_environments_text, learning_errors_text, table_text
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.learning.learning import GenerationQuality, GenerationResult, Learning

_HEAD = ("generation", "frames", "runs", "failed", "uncertain", "added", "forces along, eV/Å", "ρ(σ², error²)", "Q")
_RUNS_HEADER = ("generation", "run", "time_ps", "failed", "ended_by", "largest_uncertainty", "density_g_cm3")
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
    for caption, (head, body) in (
        (learning_errors_text.CAPTION, learning_errors_text.error_rows(result.generations)),
        (learning_environments_text.CAPTION, learning_environments_text.environment_rows(result)),
        (learning_bonds_text.CAPTION, learning_bonds_text.bond_rows(result)),
    ):
        if body:
            lines += ["", *textwrap.wrap(f"{caption}:", 100), "", *table_text.rows(head, body, right=True)]
    lines.append("")
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


SHOWN = Shown(
    format_learning,
    learning_as_json,
    figures={
        "learning": learning_errors_text.forces_figure,
        "energy": learning_errors_text.energy_figure,
        "components": learning_errors_text.components_figure,
        "stress": learning_errors_text.stress_figure,
        "scale": learning_errors_text.scale_figure,
        "environments": learning_environments_text.flagged_figure,
        "bonds": learning_bonds_text.bonds_figure,
    },
    tables={
        "generations": generations_table,
        "errors": learning_errors_text.errors_table,
        "runs": runs_table,
        "environments": learning_environments_text.environments_table,
        "bonds": learning_bonds_text.bonds_table,
    },
)
"""How `learn` shows what came of it."""
