"""How far a run was from the training set of its model, by the model's own features, as the engine found it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lamplighter.errors import RunFolderError
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.page.content import Content, Number, Picture
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.run_folder.thermo_table import ThermoTable

_LARGEST = "extrapolation_max"


def make(run: ReportedRun) -> Content:
    """Nothing of a run that did not ask for it. Raises RunFolderError: the table is missing or says nothing."""
    table = run.extrapolation
    if table is None and not run.asked("extrapolation"):
        return Content()
    run.require_dynamics()
    if table is None or table.n_rows == 0:
        raise RunFolderError("extrapolation.csv is missing, or it holds no line")
    largest, time = table[_LARGEST], table["time_ps"]
    finite = np.isfinite(largest)
    if not finite.any():
        raise RunFolderError("extrapolation.csv holds no finite value")
    worst = int(np.nanargmax(np.where(finite, largest, -np.inf)))
    lines = f"{table.n_rows} lines"
    beyond = 100.0 * float(np.mean(largest[finite] > 1.0))
    numbers = [
        Number(
            "largest γ", float(largest[worst]), math.nan, "", "own_uncertainty", "largest of all lines",
            f"at {time[worst]:.4g} ps; {lines}", exact=True,
        ),
        Number(
            "share of the run beyond the training set", beyond, math.nan, "%", "own_uncertainty",
            "lines with an atom of γ > 1", lines, exact=True,
        ),
    ]  # fmt: skip
    figure, (axis,) = new_figure()
    _draw(axis, table)
    caption = (
        "γ in each line: the largest of all atoms, that of each element, the mean. Beyond 1: unlike the training set."
    )
    return Content(numbers, [Picture("own_uncertainty", caption, figure, "own_uncertainty")], kept=table)


def _draw(axis: Axes, table: ThermoTable) -> None:
    time = table["time_ps"]
    elements = [name for name in table if name.startswith(f"{_LARGEST}_")]
    for place, name in enumerate(elements):
        symbol = name.removeprefix(f"{_LARGEST}_")
        axis.plot(time, table[name], color=PALETTE[place % 5], linewidth=0.8, label=symbol)
    axis.plot(time, table[_LARGEST], color=PALETTE[6], linewidth=1.0, label="largest")
    axis.plot(time, table["extrapolation_mean"], color="0.5", linewidth=1.0, label="mean")
    axis.axhline(1.0, color="0.5", linewidth=0.8, linestyle="--")
    axis.set(xlabel="t / ps", ylabel="γ", ylim=(0.0, None))
    axis.legend(fontsize="small", frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """The largest γ of each run."""
    asked = [each for each in made if each.content.kept is not None]
    if len(asked) < 2:
        return Content()
    figure, (axis,) = new_figure()
    for place, each in enumerate(asked):
        table: ThermoTable = each.content.kept
        label = each.run.label.replace("$", r"\$")
        colour = PALETTE[place % len(PALETTE)]
        axis.plot(table["time_ps"], table[_LARGEST], color=colour, linewidth=0.9, label=label)
    axis.set(xlabel="t / ps", ylabel="largest γ", ylim=(0.0, None))
    axis.legend(fontsize="small", frameon=False)
    return Content(blocks=[Picture("all_own_uncertainty", "Largest γ of each run.", figure, "own_uncertainty")])


SECTION = Section(
    "own_uncertainty",
    "The model's own uncertainty",
    "results",
    make,
    together,
    promises=[("largest γ", "own_uncertainty")],
    definitions=[
        Definition(
            "own_uncertainty",
            "One model's own uncertainty, γ<sub>i</sub>",
            "γ<sub>i</sub> = √(U<sub>i</sub> / U<sub>max</sub>)",
            "U is the last-layer prediction rigidity of an atom by the model's own features, U<sub>max</sub> the"
            " largest of its element in the training set. Above 1 the model is less certain of the atom than of all"
            " that it was trained on. It knows environments, not labels: a model that is wrong about what it was"
            " trained on looks sure.",
            "Bigi, Chong, Ceriotti, Grasselli (2024)",
            "docs/theory/own_uncertainty.md",
        )
    ],
)
