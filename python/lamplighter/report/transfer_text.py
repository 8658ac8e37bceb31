"""Errors by composition as text, JSON, a table and a heat map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lamplighter.analysis.compositions import Determination
from lamplighter.analysis.series import Estimate
from lamplighter.observables.transfer import Transfer
from lamplighter.report import table_text
from lamplighter.report.drawing import ONE_PANEL, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error

_HEADER = ("model", "composition", "n_frames", "trained", "energy_mae_meV_per_atom", "energy_mae_error",
           "force_mae_meV_per_A", "force_mae_error")  # fmt: skip
_BRIGHT = 0.55  # of the colour map, from which on text is dark
_LETTERS_ACROSS = 36  # of the names above a map
_INK, _PAPER = "#111111", "#fafafa"  # no black and white: those are the page's, which change places in its dark mode


def format_transfer(result: Transfer) -> str:
    """Two matrices, compositions down and models across, then the N − M rule and the energies of species."""
    width = max(len("composition"), *(len(name) for name in result.compositions))
    lines = []
    for title, matrix in (("energy MAE, meV/atom", result.energy_mae), ("force MAE, meV/Å", result.force_mae)):
        lines += [title, f"  {'composition'.ljust(width)}  frames" + "".join(f"  {m.ljust(16)}" for m in result.models)]
        for name, n_frames, *cells in mae_rows(result, matrix):
            padded = (f"  {cell.ljust(max(16, len(m)))}" for cell, m in zip(cells, result.models, strict=True))
            lines.append(f"  {name.ljust(width)}  {n_frames:>6}" + "".join(padded).rstrip())
        lines.append("")
    if result.trained_known:
        lines += ["* among the model's training data", ""]
    lines += [*format_determination(result.determination), "", *_species(result)]
    return "\n".join([*lines, *(f"Note: {note}" for note in result.notes)])


def format_determination(found: Determination) -> list[str]:
    """The N − M rule for the data at hand, and which combinations stay open."""
    constraints = f" − {found.n_constraints} constraints" if found.n_constraints else ""
    lines = [
        f"species: {len(found.species)}{constraints}, so at least {found.needed} compositions of different proportions "
        f"are needed; {found.n_unique} are there, {found.rank} of them independent",
    ]
    if found.deficiency == 0 and not len(found.undetermined):
        return [*lines, "the energy of each species is determined"]
    if found.deficiency:
        lines.append(f"rank deficiency {found.deficiency}: these shifts of the species' energies change no energy here")
    else:
        lines.append("all that the constraints leave open is determined; these shifts change no energy")
    for vector in found.undetermined:
        shift = ", ".join(f"{n:+d}t {name}" for n, name in zip(vector, found.species, strict=True) if n)
        lines.append(f"  {shift}")
    return lines


def transfer_as_json(result: Transfer) -> dict[str, Any]:
    """What `--json` prints."""
    found = result.determination
    return {
        "models": result.models,
        "compositions": result.compositions,
        "n_frames": result.n_frames,
        "energy_mae": result.energy_mae,
        "force_mae": result.force_mae,
        "trained": result.trained if result.trained_known else None,
        "n_minus_m": {
            "species": found.species,
            "constraints": found.n_constraints,
            "needed": found.needed,
            "unique_compositions": found.n_unique,
            "rank": found.rank,
            "deficiency": found.deficiency,
            "undetermined": found.undetermined,
            "determined": found.determined,
        },
        "species_energies": result.species_energies,
        "notes": result.notes,
    }


def transfer_table(result: Transfer) -> Table:
    """The matrices as CSV, one row for each model and composition."""

    def rows() -> Iterator[list[object]]:
        for row, model in enumerate(result.models):
            for column, name in enumerate(result.compositions):
                energy, force = result.energy_mae[row][column], result.force_mae[row][column]
                known = bool(result.trained[row, column]) if result.trained_known else None
                yield [model, name, result.n_frames[column], known, energy.value, energy.standard_error, force.value,
                       force.standard_error]  # fmt: skip

    return Table(_HEADER, list(rows()))


def transfer_figure(result: Transfer) -> Figure:
    """Heat maps of energy and force MAE, each cell with its number; a frame marks compositions of the training data."""
    rows, columns = len(result.models), len(result.compositions)
    labels = max(len(name) for name in result.models)
    size = max(5.0, 0.62 * columns + 0.09 * labels + 1.2), 2 * (0.42 * rows + 0.7) + 1.3
    figure, (upper, lower) = new_figure(2, 1, size, sharex=True)
    for axis, matrix, title in (
        (upper, result.energy_mae, "energy MAE / (meV/atom)"),
        (lower, result.force_mae, "force MAE / (meV/Å)"),
    ):
        axis.grid(visible=False)
        (axis.get_figure() or figure).colorbar(_map(axis, matrix, result.trained), ax=axis, pad=0.01)
        axis.set_yticks(range(rows), result.models, fontsize="small")
        mark = "; framed: in the training data" if result.trained_known else ""
        axis.set_title(title + mark, fontsize="medium", loc="left")
    names = [f"{name} ({n})" for name, n in zip(result.compositions, result.n_frames, strict=True)]
    lower.set_xticks(range(columns), names, rotation=60, ha="right", rotation_mode="anchor", fontsize="small")
    return figure


def matrix_figure(result: Transfer, quantity: str, models: Sequence[int]) -> Figure:
    """One matrix, compositions down and some of the models across: narrow, and as high as it has to be.

    Args:
        result: With both matrices.
        quantity: `energy_mae` or `force_mae`.
        models: Places of those that are shown.
    """
    matrix = getattr(result, quantity)
    rows, columns = len(result.compositions), len(models)
    names = [result.models[k].replace(" ", "\n", 1) for k in models]
    longest = max(len(line) for name in names for line in name.split("\n"))
    upright = longest * columns > _LETTERS_ACROSS
    figure, (axis,) = new_figure()
    figure.set_size_inches(ONE_PANEL[0], 0.36 * rows + 0.5 + (0.08 * longest if upright else 0.3))
    shown = [[matrix[model][row] for model in models] for row in range(rows)]
    _map(axis, shown, result.trained[models].T)
    axis.set_xticks(range(columns), names, rotation=90 if upright else 0, fontsize="small")
    counted = [f"{name} ({n})" for name, n in zip(result.compositions, result.n_frames, strict=True)]
    axis.set_yticks(range(rows), [name.replace(" ", "\n", 1) for name in counted], fontsize="small")
    axis.xaxis.tick_top()
    axis.grid(visible=False)
    return figure


def _map(axis: Axes, matrix: Sequence[Sequence[Estimate]], marked: NDArray[np.bool_]) -> AxesImage:
    """Cells with their numbers; the marked ones are framed."""
    values = np.array([[made.value for made in row] for row in matrix])
    positive = values[values > 0.0]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 2.0)
    norm = LogNorm(low, high if high > low else 2.0 * low)
    shown = axis.imshow(np.maximum(values, low), cmap="cividis", norm=norm, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        bright = float(norm(max(float(values[row, column]), low))) > _BRIGHT
        text = f"{values[row, column]:.0f}" if values[row, column] >= 9.95 else f"{values[row, column]:.1f}"
        axis.text(column, row, text, ha="center", va="center", fontsize="small", color=_INK if bright else _PAPER)
        if marked[row, column]:
            box = Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor="#D55E00", linewidth=1.8)
            axis.add_patch(box)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return shown


def mae_rows(result: Transfer, matrix: list[list[Estimate]]) -> list[tuple[str, ...]]:
    """Each composition with its frames and what each model has there; * marks training data."""
    rows = []
    for column, name in enumerate(result.compositions):
        marks = ["*" if trained else "" for trained in result.trained[:, column]]
        cells = (_cell(row[column]) + mark for row, mark in zip(matrix, marks, strict=True))
        rows.append((name, str(result.n_frames[column]), *cells))
    return rows


def species_rows(result: Transfer) -> list[tuple[str, ...]]:
    """Each source with its energies of the species, eV, and the residual, meV."""
    return [
        (each.source, *map(_energy, each.energies), f"{1e3 * each.residual:.4g}") for each in result.species_energies
    ]


def _species(result: Transfer) -> list[str]:
    header = ("", *result.determination.species, "residual")
    lines = table_text.rows(header, species_rows(result), narrowest=20)
    return ["energy of each species, eV (least squares); rms residual, meV", *(f"  {line}" for line in lines)]


def _energy(made: Estimate) -> str:
    if not math.isfinite(made.value):
        return "not determined"
    if made.note:
        return f"{made.value:.4f}"
    return format_with_error(made.value, made.standard_error, "").strip()


def _cell(made: Estimate) -> str:
    if not math.isfinite(made.standard_error):
        return f"{made.value:.3g}"
    return format_with_error(made.value, made.standard_error, "").strip()


SHOWN = Shown(
    format_transfer,
    transfer_as_json,
    figures={"errors": transfer_figure},
    tables={"errors": transfer_table},
)
