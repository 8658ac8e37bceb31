"""Diffusivities as text and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lamplighter.observables.diffusivity import (
    TO_1E6_CM2_S,
    DiffusivityOfRuns,
    SpeciesDiffusivity,
    TrajectoryDiffusivity,
)
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.seeds_text import format_seeds
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error

UNIT = "×10⁻⁶ cm²/s"

_FEW_DECADES = 300.0  # from the first time to the last


def format_diffusivity(result: DiffusivityOfRuns) -> str:
    """Each trajectory with its species; then the means where there are several."""
    lines: list[str] = []
    for each in result.trajectories:
        lines += [*_trajectory(each), ""]
    if len(result.trajectories) > 1:
        lines.append(f"mean of {len(result.trajectories)} trajectories (error from their spread)")
        width = max(len(name) for name in result.means)
        for name, mean in result.means.items():
            lines.append(f"  {name.ljust(width)}  {_scaled(mean.value, mean.standard_error)}")
        lines.append("spread of the trajectories")
        for name, spread in result.seeds.items():
            lines.append(f"  {name.ljust(width)}  {format_seeds(spread, UNIT, TO_1E6_CM2_S)}")
    return "\n".join(lines).rstrip()


def diffusivity_as_json(result: DiffusivityOfRuns) -> dict[str, Any]:
    """What `--json` prints: D in 10⁻⁶ cm²/s, curves in Å and ps."""

    def species(each: SpeciesDiffusivity, trajectory: TrajectoryDiffusivity) -> dict[str, Any]:
        made, velocities = each.einstein, each.green_kubo
        infinite = trajectory.infinite(each)
        return {
            "name": each.name,
            "n_molecules": made.n_molecules,
            "D_1e-6_cm2_s": made.value * TO_1E6_CM2_S,
            "standard_error": made.standard_error * TO_1E6_CM2_S,
            "protocol_error": made.protocol_error * TO_1E6_CM2_S,
            "D_infinite_1e-6_cm2_s": None if infinite is None else infinite[0] * TO_1E6_CM2_S,
            "D_infinite_error_1e-6_cm2_s": None if infinite is None else infinite[1] * TO_1E6_CM2_S,
            "n_blocks": made.n_blocks,
            "n_independent_blocks": made.n_independent,
            "log_slope": made.slope,
            "log_slope_error": made.slope_error,
            "diffusive": made.diffusive,
            "msd_lags_ps": each.msd_lags_ps,
            "msd_A2": each.msd,
            "green_kubo": None
            if velocities is None
            else {
                "D_1e-6_cm2_s": velocities.value * TO_1E6_CM2_S,
                "standard_error": velocities.standard_error * TO_1E6_CM2_S,
                "n_pieces": velocities.n_pieces,
                "lags_ps": velocities.lags_ps,
                "vacf_A2_ps2": velocities.autocorrelation,
            },
        }

    return {
        "trajectories": [
            {
                "path": each.path,
                "length_ps": each.length_ps,
                "interval_ps": each.interval_ps,
                "discarded_ps": each.discarded_ps,
                "discarded": each.discarded,
                "edge_A": each.edge,
                "temperature_K": each.temperature,
                "correction_1e-6_cm2_s": None if each.correction is None else each.correction * TO_1E6_CM2_S,
                "viscosity_mPa_s": each.viscosity,
                "species": [species(one, each) for one in each.species],
                "notes": each.notes,
            }
            for each in result.trajectories
        ],
        "means": {
            name: {"D_1e-6_cm2_s": mean.value * TO_1E6_CM2_S, "standard_error": mean.standard_error * TO_1E6_CM2_S}
            for name, mean in result.means.items()
        },
        "seed_sensitivity": {
            name: {
                "spread_1e-6_cm2_s": each.spread.value * TO_1E6_CM2_S,
                "spread_error": each.spread.standard_error * TO_1E6_CM2_S,
                "noise_1e-6_cm2_s": each.noise * TO_1E6_CM2_S,
                "beyond_noise_1e-6_cm2_s": each.beyond_noise * TO_1E6_CM2_S,
                "p_value": each.p_value,
                "n": each.n,
            }
            for name, each in result.seeds.items()
        },
    }


def diffusivity_figure(result: DiffusivityOfRuns) -> Figure:
    """MSD on logarithmic axes beside a line of slope 1; with velocities also the running integral."""
    with_velocities = any(one.green_kubo for each in result.trajectories for one in each.species)
    figure, axes = new_figure(1, 2 if with_velocities else 1)
    draw_displacements(axes[0], result.trajectories)
    if with_velocities:
        draw_integrals(axes[1], result.trajectories)
    return figure


def draw_displacements(axis: Axes, trajectories: Sequence[TrajectoryDiffusivity]) -> None:
    """MSD of each species on logarithmic axes beside a line of slope 1."""
    first = trajectories[0]
    for each in trajectories:
        for place, one in enumerate(each.species):
            label = one.name if each is first else None
            axis.loglog(one.msd_lags_ps[1:], one.msd[1:], color=PALETTE[place % len(PALETTE)], label=label)
    draw_slope_one(axis, first.mixture)
    axis.legend(fontsize="small", frameon=False)


def draw_slope_one(axis: Axes, last: SpeciesDiffusivity) -> None:
    """A line of slope 1 that ends where the displacement of `last` does, and the names of the axes."""
    ends = last.msd_lags_ps[[1, -1]]
    axis.loglog(ends, last.msd[-1] * ends / ends[-1], color="0.5", linestyle=(0, (3, 2)), label="slope 1")
    axis.set(xlabel="t / ps", ylabel="MSD / Å²")
    if ends[1] < _FEW_DECADES * ends[0]:  # decades alone would name too few times
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())


def draw_integrals(axis: Axes, trajectories: Sequence[TrajectoryDiffusivity]) -> None:
    """The running integral of the velocity autocorrelation of each species."""
    for each in trajectories:
        for place, one in enumerate(each.species):
            if one.green_kubo is not None:
                made, colour = one.green_kubo, PALETTE[place % len(PALETTE)]
                label = one.name if each is trajectories[0] else None
                axis.plot(made.lags_ps, made.running * TO_1E6_CM2_S, color=colour, label=label)
    axis.set(xlabel="t / ps", ylabel=f"⅓ ∫ VACF / ({UNIT})")


def _trajectory(made: TrajectoryDiffusivity) -> list[str]:
    blocks = made.mixture.einstein
    length = blocks.lags_ps[-1]
    lines = [
        f"{made.path.name or made.path}: {made.length_ps:.6g} ps of frames {made.interval_ps:.4g} ps apart, "
        f"{made.discarded}",
        f"  {blocks.n_blocks} overlapping blocks of {length:.4g} ps, {blocks.n_independent} that do not overlap",
    ]
    rows: list[tuple[str, ...]] = [("", f"D / ({UNIT})", "error as in the protocol", "slope of log MSD")]
    if made.correction is not None:
        rows[0] = (*rows[0], "D∞")
    for one in made.species:
        each = one.einstein
        slope = f"{each.slope:.2f}"
        if math.isfinite(each.slope_error):
            slope = format_with_error(each.slope, each.slope_error, "").rstrip()
        row: tuple[str, ...] = (
            f"{each.n_molecules} {one.name}" if one is not made.mixture or len(made.species) == 1 else one.name,
            _scaled(each.value, each.standard_error),
            f"± {each.protocol_error * TO_1E6_CM2_S:.2g}" if math.isfinite(each.protocol_error) else "–",
            slope + ("" if each.diffusive else " (not yet diffusive)"),
        )
        infinite = made.infinite(one)
        if infinite is not None:
            row = (*row, _scaled(*infinite))
        rows.append(row)
    lines += [f"  {line}" for line in table_text.rows(rows[0], rows[1:])]
    for one in made.species:
        if one.green_kubo is not None:
            kubo = one.green_kubo
            lines.append(
                f"  {one.name}, from velocities: {_scaled(kubo.value, kubo.standard_error)} "
                f"(to {kubo.lags_ps[-1]:.4g} ps, {kubo.n_pieces} pieces)"
            )
    if made.correction is not None:
        lines.append(
            f"  finite-size correction {made.correction * TO_1E6_CM2_S:.3g} {UNIT} (edge {made.edge:.4g} Å, "
            f"viscosity {made.viscosity:.3g} mPa s)"
        )
    return lines + [f"  Note: {note}" for note in made.notes]


def _scaled(value: float, error: float) -> str:
    return format_with_error(value * TO_1E6_CM2_S, error * TO_1E6_CM2_S, "").replace("  (", " (").rstrip()


def diffusivity_table(result: DiffusivityOfRuns) -> Table:
    """A row each trajectory and species."""
    header = [
        "trajectory",
        "species",
        "molecules",
        "D_1e-6_cm2_s",
        "D_error_1e-6_cm2_s",
        "D_infinite_1e-6_cm2_s",
        "D_infinite_error_1e-6_cm2_s",
        "log_slope",
        "log_slope_error",
    ]
    rows = [
        [
            str(each.path),
            one.name,
            one.einstein.n_molecules,
            one.einstein.value * TO_1E6_CM2_S,
            one.einstein.standard_error * TO_1E6_CM2_S,
            *(number if number is None else number * TO_1E6_CM2_S for number in each.infinite(one) or (None, None)),
            one.einstein.slope,
            one.einstein.slope_error,
        ]
        for each in result.trajectories
        for one in each.species
    ]
    return Table(header, rows)


SHOWN = Shown(
    format_diffusivity,
    diffusivity_as_json,
    figures={"displacements": diffusivity_figure},
    tables={"species": diffusivity_table},
)
