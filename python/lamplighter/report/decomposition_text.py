"""Errors by part as text, JSON, a table and a figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.analysis.model_errors import Errors
from lamplighter.observables.decomposition import FORCE_PARTS, Decomposition, PartErrors
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, legend_above, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error

_HEADER = ("model", "quantity", "part", "unit", "rmse", "rmse_error", "mae", "mae_error", "relative_rmse",
           "relative_rmse_error", "reference_deviation")  # fmt: skip


def format_decomposition(result: Decomposition) -> str:
    """For each part: how large it is in the reference, and the RMSE of each model, in units and relative."""
    found = result.found
    largest = ", ".join(f"{int(found.counts[:, place].sum())} {name}" for place, name in enumerate(found.species[:6]))
    more = f" and {len(found.species) - 6} more species" if len(found.species) > 6 else ""
    lines = [
        f"{result.path.name}: {len(result.n_atoms)} frames, {len(found.molecules)} molecules ({largest}{more})",
        f"error bars: bootstrap over {result.n_groups} {result.grouping}"
        + (f"; lone molecules of the reference by {result.method}" if result.method else ""),
    ]
    for title, unit, kind in (("energy", "meV/atom", "energies"), ("forces", "eV/Å", "forces")):
        lines += ["", f"{title}, RMSE in {unit} and relative to the standard deviation of the reference"]
        header, *rows = part_rows(result, kind)
        lines += [f"  {line}" for line in table_text.rows(header, rows, narrowest=24)]
    return "\n".join([*(line.rstrip() for line in lines), *(f"Note: {note}" for note in result.notes)])


def part_rows(result: Decomposition, kind: str) -> list[tuple[str, ...]]:
    """Names of the parts of `energies` or `forces`, then the reference's standard deviation and each model's RMSE."""
    first: dict[str, Errors] = getattr(result.results[0], kind)
    rows = [("part", *first), ("reference", *(f"{found.reference_deviation:.4g}" for found in first.values()))]
    return rows + [(each.name, *map(_cell, getattr(each, kind).values())) for each in result.results]


def decomposition_as_json(result: Decomposition) -> dict[str, Any]:
    """What `--json` prints: errors by part, and the reference energies of each frame in parts."""
    return {
        "frames_file": result.path,
        "n_frames": len(result.n_atoms),
        "n_molecules": len(result.found.molecules),
        "species": result.found.species,
        "molecules_of_frames": result.found.counts,
        "reference_of_molecules": result.method or None,
        "resampled": {"n": result.n_groups, "what": result.grouping},
        "reference_energies_eV": result.reference.energies,
        "models": result.results,
        "notes": result.notes,
    }


def decomposition_table(result: Decomposition) -> Table:
    """The errors as CSV."""

    def rows() -> Iterator[list[object]]:
        for each in result.results:
            for quantity, parts in (("energy", each.energies), ("forces", each.forces)):
                for part, made in parts.items():
                    yield [each.name, quantity, part, made.rmse.unit, made.rmse.value, made.rmse.standard_error,
                           made.mae.value, made.mae.standard_error, made.relative_rmse.value,
                           made.relative_rmse.standard_error, made.reference_deviation]  # fmt: skip

    return Table(_HEADER, list(rows()))


def decomposition_figure(result: Decomposition) -> Figure:
    """RMSE and relative RMSE of each part, models side by side."""
    figure, axes = new_figure(2, 2)
    panels = (
        ("energies", "rmse", 1.0, "energy RMSE / (meV/atom)"),
        ("forces", "rmse", 1.0, "force RMSE / (eV/Å)"),
        ("energies", "relative_rmse", 100.0, "energy RMSE, % of the reference's σ"),
        ("forces", "relative_rmse", 100.0, "force RMSE, % of the reference's σ"),
    )
    for axis, (kind, value, factor, label) in zip(axes, panels, strict=True):
        draw_parts(axis, result.results, kind, value, factor)
        axis.set(ylabel=label, ylim=(0.0, None))
    handles, names = axes[1].get_legend_handles_labels()
    legend_above(figure, axes[0], handles, names)
    return figure


def draw_parts(axis: Axes, results: list[PartErrors], kind: str, value: str, factor: float) -> None:
    """Bars of `rmse` or `relative_rmse` times a factor, of each part of `energies` or `forces` and each model."""
    parts = list(getattr(results[0], kind))
    width = 0.8 / len(results)
    for place, each in enumerate(results):
        made = [getattr(found, value) for found in getattr(each, kind).values()]
        heights, bars = (
            np.array([factor * getattr(one, name) for one in made]) for name in ("value", "standard_error")
        )
        axis.bar(
            np.arange(len(parts)) + (place - 0.5 * (len(results) - 1)) * width,
            heights,
            width,
            yerr=np.where(np.isfinite(bars), bars, 0.0),
            color="0.25" if each.is_mean else PALETTE[place % (len(PALETTE) - 1)],
            error_kw={"elinewidth": 0.8},
            label=each.name,
        )
    short = {part: part.removesuffix("lational").removesuffix("ational") for part in FORCE_PARTS}
    axis.set_xticks(range(len(parts)), [short[part] for part in parts])


def _cell(made: Errors) -> str:
    relative = made.relative_rmse.value
    share = f" ({100.0 * relative:.3g} %)" if np.isfinite(relative) else ""
    text = format_with_error(made.rmse.value, made.rmse.standard_error, "").strip()
    return text.removesuffix("(no error bar)").strip() + share


SHOWN = Shown(
    format_decomposition,
    decomposition_as_json,
    figures={"parts": decomposition_figure},
    tables={"errors": decomposition_table},
)
