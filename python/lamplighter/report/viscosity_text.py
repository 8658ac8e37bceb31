"""Viscosities as text and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.observables.viscosity import RunViscosity, ViscosityOfRuns
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.seeds_text import format_seeds
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

UNIT = "mPa s"


def format_viscosity(result: ViscosityOfRuns) -> str:
    """Each run; then the mean where there are several."""
    lines: list[str] = []
    for each in result.runs:
        lines += [*_run(each), ""]
    if len(result.runs) > 1:
        lines.append(f"mean of {len(result.runs)} runs  {result.mean} (error from their spread)")
    if result.seeds is not None:
        lines.append(f"spread of runs  {format_seeds(result.seeds, UNIT)}")
    return "\n".join(lines).rstrip()


def _run(run: RunViscosity) -> list[str]:
    made = run.decomposition
    averaged = f", averaged over {made.averaged_ps:.3g} ps" if made.averaged_ps > 1.5 * run.interval_ps else ""
    return [
        f"{run.folder.name or run.folder}, stage {run.stage}: {run.length_ps:.6g} ps, {run.discarded}",
        f"  shear viscosity  {run.viscosity}",
        f"  pressure tensor  every {run.interval_ps:.4g} ps{averaged}; {made.n_pieces} pieces of "
        f"{made.piece_ps:.4g} ps",
        f"  integral         cut off at {made.cutoff_ps:.3g} ps, at {100.0 * made.reached:.0f} % of its limit; longest "
        f"time of its fit {made.relaxation_ps:.3g} ps",
        f"  at               {run.temperature:.4g} K, {run.volume:.6g} Å³",
        *(f"  Note: {note}" for note in run.notes),
    ]


def viscosity_as_json(result: ViscosityOfRuns) -> dict[str, Any]:
    """What `--json` prints: curves in mPa s and ps."""

    def run(each: RunViscosity) -> dict[str, Any]:
        made = each.decomposition
        return {
            "folder": each.folder,
            "stage": each.stage,
            "viscosity": each.viscosity,
            "length_ps": each.length_ps,
            "interval_ps": each.interval_ps,
            "discarded": each.discarded,
            "temperature_K": each.temperature,
            "volume_A3": each.volume,
            "n_pieces": made.n_pieces,
            "piece_ps": made.piece_ps,
            "averaged_ps": made.averaged_ps,
            "cutoff_ps": made.cutoff_ps,
            "reached": made.reached,
            "converged": made.converged,
            "relaxation_ps": made.relaxation_ps,
            "lags_ps": made.lags_ps,
            "autocorrelation_bar2": made.autocorrelation,
            "running_mPa_s": made.running,
            "spread_mPa_s": made.spread,
            "fitted_mPa_s": made.fitted,
            "system": each.system,
            "notes": each.notes,
        }

    return {"mean": result.mean, "seed_sensitivity": result.seeds, "runs": [run(each) for each in result.runs]}


def viscosity_figure(result: ViscosityOfRuns) -> Figure:
    """Running integrals with their fits, and the autocorrelation of the pressure."""
    figure, (integrals, correlation) = new_figure(1, 2)
    draw_integrals(integrals, result.runs)
    for place, run in enumerate(result.runs):
        made = run.decomposition
        shown = made.lags_ps <= made.cutoff_ps
        scaled = made.autocorrelation / made.autocorrelation[0]
        correlation.plot(made.lags_ps[shown], scaled[shown], color=PALETTE[place % len(PALETTE)])
    correlation.axhline(0.0, color="0.5", linewidth=0.8)
    correlation.set(xlabel="t / ps", ylabel="⟨P(0) P(t)⟩ / ⟨P²⟩")
    return figure


def draw_integrals(axis: Axes, runs: Sequence[RunViscosity], labels: Sequence[str] = ()) -> None:
    """Running integrals with their standard errors, their fits, and where they are cut off."""
    for place, run in enumerate(runs):
        made, colour = run.decomposition, PALETTE[place % len(PALETTE)]
        shown = made.lags_ps <= 2.0 * made.cutoff_ps
        lags, mean = made.lags_ps[shown], made.running[shown]
        error = made.spread[shown] / made.n_pieces**0.5
        name = labels[place] if labels else run.folder.resolve().name
        axis.plot(lags, mean, color=colour, label=name.replace("$", r"\$"))
        axis.fill_between(lags, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0.0)
        axis.plot(lags, made.fitted[shown], color=colour, linestyle=(0, (3, 2)), linewidth=1.0)
        axis.axvline(made.cutoff_ps, color=colour, linestyle=(0, (1, 2)), linewidth=1.0)
    axis.set(xlabel="t / ps", ylabel=f"η(t) / ({UNIT})")
    axis.legend(fontsize="small", frameon=False)


def viscosity_table(result: ViscosityOfRuns) -> Table:
    """A row each run."""
    header = [
        "run",
        "stage",
        "viscosity_mPa_s",
        "viscosity_error_mPa_s",
        "converged",
        "cutoff_ps",
        "relaxation_ps",
        "length_ps",
        "temperature_K",
    ]
    rows = [
        [
            str(run.folder),
            run.stage,
            run.viscosity.value,
            run.viscosity.standard_error,
            int(run.decomposition.converged),
            run.decomposition.cutoff_ps,
            run.decomposition.relaxation_ps,
            run.length_ps,
            run.temperature,
        ]
        for run in result.runs
    ]
    return Table(header, rows)


SHOWN = Shown(
    format_viscosity, viscosity_as_json, figures={"integral": viscosity_figure}, tables={"runs": viscosity_table}
)
