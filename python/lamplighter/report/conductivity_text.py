"""Conductivities and transference numbers as text and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.analysis.series import Estimate
from lamplighter.observables.conductivity import ConductivityOfRuns, TrajectoryConductivity
from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error


def format_conductivity(result: ConductivityOfRuns) -> str:
    """Each trajectory with its ions; then the means where there are several."""
    lines: list[str] = []
    for each in result.trajectories:
        lines += [*_trajectory(each), ""]
    if len(result.trajectories) > 1:
        lines.append(f"mean of {len(result.trajectories)} trajectories (error from their spread)")
        lines.append(f"  with correlations (Einstein)     {_plain(result.einstein)}")
        lines.append(f"  without them (Nernst-Einstein)   {_plain(result.nernst_einstein)}")
        lines.append(f"  their ratio                      {_plain(result.ionicity)}")
        if result.nernst_einstein_infinite is not None and result.ionicity_infinite is not None:
            lines.append(f"  without them, in an infinite cell  {_plain(result.nernst_einstein_infinite)}")
            lines.append(f"  ratio to it                        {_plain(result.ionicity_infinite)}")
        lines += [f"  transference of {name.ljust(17)}{_plain(mean)}" for name, mean in result.transference.items()]
    return "\n".join(lines).rstrip()


def _trajectory(made: TrajectoryConductivity) -> list[str]:
    n = made.einstein.n_samples
    length = made.motion.lags_ps[-1]
    lines = [
        f"{made.path.name or made.path}: {made.length_ps:.6g} ps of frames {made.interval_ps:.4g} ps apart, "
        f"{made.discarded}",
        f"  {len(made.motion.overlapping)} overlapping blocks of {length:.4g} ps, {n} that do not overlap",
        f"  {made.charges}",
        f"  conductivity with correlations (Einstein)    {_plain(made.einstein)}",
        f"  conductivity without them (Nernst-Einstein)  {_plain(made.nernst_einstein)}",
        f"  their ratio                                  {_plain(made.ionicity)}",
    ]
    if made.infinite is not None:
        lines += [
            f"  without them, in an infinite cell            {_plain(made.infinite.nernst_einstein)} (viscosity "
            f"{made.infinite.viscosity:.3g} mPa s)",
            f"  ratio to it                                  {_plain(made.infinite.ionicity)}",
        ]
    with_solvent = any(ion.in_solvent is not None for ion in made.ions)
    header = ["", "D / (×10⁻⁶ cm²/s)", "share of Nernst-Einstein", "transference"]
    rows = []
    for ion in made.ions:
        scaled = format_with_error(
            ion.diffusivity.value * TO_1E6_CM2_S, ion.diffusivity.standard_error * TO_1E6_CM2_S, ""
        )
        row = [f"{ion.number} {ion.name} ({ion.charge:+g})", scaled.strip(), _plain(ion.own), _plain(ion.collective)]
        if ion.in_solvent is not None:
            row.append(_plain(ion.in_solvent))
        rows.append(tuple(row))
    if with_solvent:
        header.append("transference against the solvent")
    lines += [f"  {line}" for line in table_text.rows(tuple(header), rows)]
    lines.append(f"  at {made.temperature:.4g} K, {made.volume:.6g} Å³")
    return lines + [f"  Note: {note}" for note in made.notes]


def _plain(estimate: Estimate) -> str:
    return format_with_error(estimate.value, estimate.standard_error, estimate.unit).replace("  (", " (").rstrip()


def conductivity_as_json(result: ConductivityOfRuns) -> dict[str, Any]:
    """What `--json` prints: conductivities in mS/cm, displacements in Å² and ps."""

    def trajectory(each: TrajectoryConductivity) -> dict[str, Any]:
        return {
            "path": each.path,
            "length_ps": each.length_ps,
            "interval_ps": each.interval_ps,
            "discarded": each.discarded,
            "temperature_K": each.temperature,
            "volume_A3": each.volume,
            "charges": each.charges,
            "einstein": each.einstein,
            "nernst_einstein": each.nernst_einstein,
            "ionicity": each.ionicity,
            "nernst_einstein_infinite": None if each.infinite is None else each.infinite.nernst_einstein,
            "ionicity_infinite": None if each.infinite is None else each.infinite.ionicity,
            "viscosity_mPa_s": None if each.infinite is None else each.infinite.viscosity,
            "ions": [
                {
                    "name": ion.name,
                    "n_molecules": ion.number,
                    "charge": ion.charge,
                    "D_1e-6_cm2_s": ion.diffusivity.value * TO_1E6_CM2_S,
                    "standard_error": ion.diffusivity.standard_error * TO_1E6_CM2_S,
                    "share_of_nernst_einstein": ion.own,
                    "transference": ion.collective,
                    "transference_in_solvent": ion.in_solvent,
                }
                for ion in each.ions
            ],
            "lags_ps": each.motion.lags_ps,
            "collective_A2": each.collective_square,
            "own_A2": each.own_square,
            "system": each.system,
            "notes": each.notes,
        }

    return {
        "einstein": result.einstein,
        "nernst_einstein": result.nernst_einstein,
        "ionicity": result.ionicity,
        "nernst_einstein_infinite": result.nernst_einstein_infinite,
        "ionicity_infinite": result.ionicity_infinite,
        "transference": result.transference,
        "trajectories": [trajectory(each) for each in result.trajectories],
    }


def conductivity_figure(result: ConductivityOfRuns) -> Figure:
    """Displacements of the charges, together and by themselves."""
    figure, (axis,) = new_figure()
    draw_displacements(axis, result.trajectories)
    return figure


def draw_displacements(axis: Axes, trajectories: Sequence[TrajectoryConductivity]) -> None:
    """Square displacement of all charges together, and of each by itself, per Σ N z²."""
    for place, each in enumerate(trajectories):
        colour = PALETTE[place % len(PALETTE)]
        together, alone = ("with correlations", "each ion by itself") if place == 0 else (None, None)
        axis.plot(each.motion.lags_ps, each.collective_square, color=colour, label=together)
        axis.plot(each.motion.lags_ps, each.own_square, color=colour, linestyle=(0, (3, 2)), label=alone)
    axis.set(xlabel="t / ps", ylabel="⟨|Σ z Δr|²⟩ / Σ z² / Å²")
    axis.legend(fontsize="small", frameon=False)


def conductivity_table(result: ConductivityOfRuns) -> Table:
    """A row each trajectory."""
    header = [
        "trajectory",
        "conductivity_mS_cm",
        "conductivity_error_mS_cm",
        "nernst_einstein_mS_cm",
        "nernst_einstein_error_mS_cm",
        "ratio",
        "ratio_error",
        "nernst_einstein_infinite_mS_cm",
        "nernst_einstein_infinite_error_mS_cm",
        "length_ps",
        "temperature_K",
    ]
    rows = [
        [
            str(each.path),
            *(
                number
                for one in (each.einstein, each.nernst_einstein, each.ionicity)
                for number in (one.value, one.standard_error)
            ),
            None if each.infinite is None else each.infinite.nernst_einstein.value,
            None if each.infinite is None else each.infinite.nernst_einstein.standard_error,
            each.length_ps,
            each.temperature,
        ]
        for each in result.trajectories
    ]
    return Table(header, rows)


def ions_table(result: ConductivityOfRuns) -> Table:
    """A row each trajectory and ion."""
    header = [
        "trajectory",
        "species",
        "molecules",
        "charge",
        "D_1e-6_cm2_s",
        "D_error_1e-6_cm2_s",
        "share_of_nernst_einstein",
        "share_error",
        "transference",
        "transference_error",
        "transference_in_solvent",
        "transference_in_solvent_error",
    ]
    rows = [
        [
            str(each.path),
            ion.name,
            ion.number,
            ion.charge,
            ion.diffusivity.value * TO_1E6_CM2_S,
            ion.diffusivity.standard_error * TO_1E6_CM2_S,
            ion.own.value,
            ion.own.standard_error,
            ion.collective.value,
            ion.collective.standard_error,
            None if ion.in_solvent is None else ion.in_solvent.value,
            None if ion.in_solvent is None else ion.in_solvent.standard_error,
        ]
        for each in result.trajectories
        for ion in each.ions
    ]
    return Table(header, rows)


SHOWN = Shown(
    format_conductivity,
    conductivity_as_json,
    figures={"displacements": conductivity_figure},
    tables={"conductivity": conductivity_table, "ions": ions_table},
)
