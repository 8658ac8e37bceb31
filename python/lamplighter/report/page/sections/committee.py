"""How far the models of a committee disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lamplighter.analysis.series import mean_with_error
from lamplighter.errors import RunFolderError
from lamplighter.observables.production import production_of_committee
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.page.content import Block, Content, Number, Picture, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.run_folder.thermo_table import ThermoTable

_UNIT = "eV²/Å²"
_LARGEST = "variance_max_eV2_A2"


def make(run: ReportedRun) -> Content:
    """Raises RunFolderError: the run had no committee, or none of its evaluations is finite."""
    run.require_dynamics()
    table = run.committee
    if table is None or table.n_rows == 0:
        raise RunFolderError("the run had no committee (committee: in its run file)")
    largest, time = table[_LARGEST], table["time_ps"]
    finite = np.isfinite(largest)
    if not finite.any():
        raise RunFolderError("committee.csv holds no finite variance")
    worst = int(np.nanargmax(np.where(finite, largest, -np.inf)))
    models = f"{int(table['models'][-1])} models, {table.n_rows} evaluations"
    production, discarded = production_of_committee(run, table)
    kept = production & np.isfinite(table["variance_mean_eV2_A2"])
    mean = mean_with_error(table["variance_mean_eV2_A2"][kept], _UNIT)
    numbers = [
        Number(
            "largest force variance", float(largest[worst]), math.nan, _UNIT, "variance", "largest of all evaluations",
            f"at {time[worst]:.4g} ps; {models}", exact=True,
        ),
        Number(
            "median of the largest force variance", float(np.median(largest[finite])), math.nan, _UNIT, "variance",
            "median over evaluations", models, exact=True,
        ),
        number("mean force variance", mean, "variance", detail=discarded),
    ]  # fmt: skip
    figure, (axis,) = new_figure()
    _draw(axis, table)
    caption = (
        "Force variance of the committee in each evaluation: the largest of all atoms, that of each element, the mean."
    )
    blocks: list[Block] = [Picture("committee_variance", caption, figure, "variance")]
    spread = table["energy_std_eV_per_atom"]
    if np.isfinite(spread).any():
        figure, (axis,) = new_figure()
        axis.plot(time, 1e3 * spread, color=PALETTE[1], linewidth=0.9)
        axis.set(xlabel="t / ps", ylabel="std of E / (meV/atom)")
        caption = "Standard deviation of the members' energies."
        blocks.append(Picture("committee_energy", caption, figure, "variance"))
    data = {"models": int(table["models"][-1]), "evaluations": table.n_rows}
    return Content(numbers, blocks, data=data, kept=table)


def _draw(axis: Axes, table: ThermoTable) -> None:
    time = table["time_ps"]
    elements = [name for name in table if name.startswith("variance_max_") and name != _LARGEST]
    for place, name in enumerate(elements):
        symbol = name.removeprefix("variance_max_").removesuffix("_eV2_A2")
        axis.semilogy(time, _positive(table[name]), color=PALETTE[place % 5], linewidth=0.8, label=symbol)
    axis.semilogy(time, _positive(table[_LARGEST]), color=PALETTE[6], linewidth=1.0, label="largest")
    axis.semilogy(time, _positive(table["variance_mean_eV2_A2"]), color="0.5", linewidth=1.0, label="mean")
    axis.set(xlabel="t / ps", ylabel=f"σ² of forces / ({_UNIT})")
    axis.legend(fontsize="small", frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values) & (values > 0.0), values, np.nan)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """The largest variance of each run."""
    if len(made) < 2:
        return Content()
    figure, (axis,) = new_figure()
    for place, each in enumerate(made):
        table: ThermoTable = each.content.kept
        label = each.run.label.replace("$", r"\$")
        colour = PALETTE[place % len(PALETTE)]
        axis.semilogy(table["time_ps"], _positive(table[_LARGEST]), color=colour, linewidth=0.9, label=label)
    axis.set(xlabel="t / ps", ylabel=f"max σ² of forces / ({_UNIT})")
    axis.legend(fontsize="small", frameon=False)
    return Content(blocks=[Picture("all_committee", "Largest force variance of each run.", figure, "variance")])


SECTION = Section(
    "committee",
    "Committee disagreement",
    "results",
    make,
    together,
    promises=[("largest force variance", "variance")],
    definitions=[
        Definition(
            "variance",
            "Force variance of a committee, σ²<sub>i</sub>",
            "σ²<sub>i</sub> = (1/K) Σ<sub>k</sub> |F<sub>i</sub><sup>k</sup> − F̄<sub>i</sub>|²",
            "Of atom i over K models, F̄ their mean; the divisor is K. “Largest” is over all atoms of a"
            " configuration. It shows where models disagree, not where they err together. Active learning takes"
            " configurations above 0.5 eV²/Å².",
            "Niblett et al., section 3.3",
            "docs/reference/pair_lamplighter.md",
        )
    ],
)
