"""The density of runs as text and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats
from lamplighter.observables.density import DensityOfRuns, RunDensity
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.seeds_text import format_seeds
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error

_MOST_LEGENDS = 6


def format_density(result: DensityOfRuns) -> str:
    """Each run, their mean, and the divergence from the reference."""
    lines: list[str] = []
    for run in result.runs:
        lines += [*_run(run), ""]
    if len(result.runs) > 1:
        lines.append(f"mean of {len(result.runs)} runs  {_value(result.mean)} (from the spread of the runs)")
        lines.append(f"                {_value(result.within)} (from the fluctuations within runs)")
    if result.seeds is not None:
        lines.append(f"spread of runs  {format_seeds(result.seeds, 'g/cm³')}")
    for run in result.references:
        lines.append(f"reference {run.folder.name}: {_value(run.mean)} ({run.discarded})")
    width = result.edges[1] - result.edges[0]
    grid = f"{len(result.probability)} bins of {width:.3g} g/cm³ from {result.edges[0]:.4g} to {result.edges[-1]:.4g}"
    lines.append(f"P(ρ)            {grid}, {result.pseudo_count:g} counts added to each")
    if result.divergence is not None:
        apart = result.divergence
        lines.append(f"D_KL(P‖R)       {format_with_error(apart.value, apart.standard_error, '').rstrip()}")
        if math.isfinite(apart.bias):
            lines.append(f"                of which about {apart.bias:.2g} comes from the finite number of samples")
        if apart.outside > 0.0:
            lines.append(
                f"Note: {100.0 * apart.outside:.3g} % of P lies where R has no sample: D_KL is a lower bound there"
            )
        if apart.note:
            lines.append(f"Note: D_KL has no error: {apart.note}")
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def density_as_json(result: DensityOfRuns) -> dict[str, Any]:
    """What `--json` prints; numbers of each run without its series."""

    def run(each: RunDensity, counts: Floats | None = None) -> dict[str, Any]:
        return {
            "folder": each.folder,
            "stage": each.stage,
            "discarded_ps": float(each.time_ps[each.start]),
            "discarded": each.discarded,
            "length_ps": float(each.time_ps[-1]),
            "mean": each.mean,
            "compressibility": each.compressibility,
            "temperature": each.temperature,
            "blocks": each.blocks,
            "system": each.system,
            "notes": each.notes,
            **({} if counts is None else {"counts": counts.astype(int)}),
        }

    return {
        "mean": result.mean,
        "mean_error_within_runs": result.within,
        "seed_sensitivity": result.seeds,
        "runs": [run(each, counts) for each, counts in zip(result.runs, result.counts, strict=True)],
        "references": [run(each) for each in result.references],
        "edges_g_cm3": result.edges,
        "probability": result.probability,
        "reference_probability": result.reference_probability,
        "pseudo_count": result.pseudo_count,
        "divergence": result.divergence,
        "notes": result.notes,
    }


def density_figure(result: DensityOfRuns) -> Figure:
    """Series with the beginning of production, P(ρ), and block averaging."""
    figure, (series, distribution, blocks) = new_figure(1, 3)
    draw_series(series, result.runs)
    draw_distribution(distribution, result)
    draw_blocks(blocks, result.runs)
    return figure


def draw_series(axis: Axes, runs: Sequence[RunDensity], labels: Sequence[str] = ()) -> None:
    """Density against time, and where production begins; `labels` in place of the names of the folders."""
    for place, run in enumerate(runs):
        colour = PALETTE[place % len(PALETTE)]
        name = labels[place] if labels else run.folder.resolve().name
        label = name.replace("$", r"\$") if place < _MOST_LEGENDS else None
        axis.plot(run.time_ps, run.density, color=colour, linewidth=0.9, label=label)
        axis.axvline(run.time_ps[run.start], color=colour, linestyle=(0, (3, 2)), linewidth=1.0)
    axis.set(xlabel="t / ps", ylabel="ρ / (g/cm³)")
    axis.legend(fontsize="small", frameon=False)


def draw_distribution(axis: Axes, result: DensityOfRuns) -> None:
    """P(ρ) of all runs together, and R(ρ) of the reference."""
    width = float(np.diff(result.edges)[0])
    axis.stairs(result.probability / width, result.edges, fill=True, color=PALETTE[0], alpha=0.5, label="P")
    if result.reference_probability is not None:
        axis.stairs(result.reference_probability / width, result.edges, color=PALETTE[6], label="R")
        axis.legend(fontsize="small", frameon=False)
    axis.set(xlabel="ρ / (g/cm³)", ylabel="P(ρ) / (cm³/g)")


def draw_blocks(axis: Axes, runs: Sequence[RunDensity]) -> None:
    """Error of the mean against the length of blocks; the error that is given as a line."""
    for place, run in enumerate(runs):
        colour = PALETTE[place % len(PALETTE)]
        axis.errorbar(
            run.blocks.size, run.blocks.standard_error, run.blocks.uncertainty, color=colour, marker=".", linewidth=0.9
        )
        if math.isfinite(run.mean.standard_error):
            axis.axhline(run.mean.standard_error, color=colour, linestyle=(0, (3, 2)), linewidth=1.0)
    axis.set(xlabel="samples a block", ylabel="error of ⟨ρ⟩ / (g/cm³)", xscale="log")


def _run(run: RunDensity) -> list[str]:
    kappa = run.compressibility
    lines = [
        f"{run.folder.name or run.folder}, stage {run.stage}: {run.discarded}",
        f"  density          {_value(run.mean)}{_independent(run.mean)}",
        f"  compressibility  {_scaled(kappa, 1e10, '×10⁻¹⁰ 1/Pa')}{_independent(kappa)}",
        f"  temperature      {_value(run.temperature)}",
    ]
    return lines + [f"  Note: {note}" for note in run.notes]


def _value(estimate: Estimate) -> str:
    return _scaled(estimate, 1.0, estimate.unit)


def _scaled(estimate: Estimate, factor: float, unit: str) -> str:
    text = format_with_error(estimate.value * factor, estimate.standard_error * factor, unit)
    if not estimate.note:
        return text
    return text.removesuffix(" (no error bar)") + f" (no error bar: {estimate.note})"


def _independent(estimate: Estimate) -> str:
    if estimate.note or not math.isfinite(estimate.n_effective):
        return ""
    return f"  ({estimate.n_effective:.0f} independent of {estimate.n_samples} samples)"


def density_table(result: DensityOfRuns) -> Table:
    """A row each run."""
    header = [
        "run",
        "stage",
        "begin_of_production_ps",
        "length_ps",
        "density_g_cm3",
        "density_error_g_cm3",
        "compressibility_1_Pa",
        "compressibility_error_1_Pa",
        "temperature_K",
        "temperature_error_K",
    ]
    rows = [
        [
            str(run.folder),
            run.stage,
            float(run.time_ps[run.start]),
            float(run.time_ps[-1]),
            *(
                number
                for each in (run.mean, run.compressibility, run.temperature)
                for number in (each.value, each.standard_error)
            ),
        ]
        for run in result.runs
    ]
    return Table(header, rows)


SHOWN = Shown(format_density, density_as_json, figures={"density": density_figure}, tables={"runs": density_table})
