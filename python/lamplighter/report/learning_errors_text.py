"""Errors of the models of each generation over each set, and the scale of their forces: rows, a table, figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.learning.learning import GenerationResult, Learning, MeanErrors, OverModels

_HEAD = ("generation", "set", "frames", "E, meV/atom", "its mean", "F, eV/Å", "F_x", "F_y", "F_z", "σ, meV/Å³",
         "force scale")  # fmt: skip
_QUANTITIES = ("energy_rmse_meV_atom", "energy_mean_error_meV_atom", "forces_rmse_eV_A", "fx_rmse_eV_A",
               "fy_rmse_eV_A", "fz_rmse_eV_A", "stress_rmse_meV_A3", "force_scale")  # fmt: skip
_HEADER = ("generation", "set", "frames", *(name for each in _QUANTITIES for name in (each, f"{each}_spread")))
_DIGITS = (2, 2, 4, 4, 4, 4, 2, 3)

CAPTION = (
    "RMSE of energy (beside it the mean error, a shift of all frames alike), forces, their components, and stress, "
    "and the scale of forces (the slope of predicted against labelled components through the origin; below 1: too "
    "soft): means over the models ± their standard deviation"
)


def error_rows(generations: Sequence[GenerationResult]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of errors by set."""
    rows = [
        (str(each.number), name, str(found.frames), *map(_in_words, _numbers(each, name, found), _DIGITS))
        for each in generations
        for name, found in each.errors.items()
    ]
    return _HEAD, rows


def errors_table(result: Learning) -> Table:
    """A row each set of each generation: means over the models, and their standard deviation."""
    rows = []
    for each in result.generations:
        for name, found in each.errors.items():
            numbers = _numbers(each, name, found)
            values = [value for one in numbers for value in ((None, None) if one is None else (one.mean, one.spread))]
            rows.append([each.number, name, found.frames, *values])
    return Table(_HEADER, rows)


def forces_figure(result: Learning) -> Figure:
    """The RMSE of forces over each set against the generation."""
    found = {each.number: {name: one.forces for name, one in each.errors.items()} for each in result.generations}
    return _figure(found, "RMSE of forces (eV/Å)")


def energy_figure(result: Learning) -> Figure:
    """The RMSE of energies likewise."""
    found = {each.number: {name: one.energy for name, one in each.errors.items()} for each in result.generations}
    return _figure(found, "RMSE of energy (meV/atom)")


def stress_figure(result: Learning) -> Figure:
    """The RMSE of stresses likewise, over sets that have some."""
    found = {
        each.number: {name: one.stress for name, one in each.errors.items() if one.stress is not None}
        for each in result.generations
    }
    return _figure(found, "RMSE of stress (meV/Å³)")


def components_figure(result: Learning) -> Figure:
    """The RMSE of F_x, F_y and F_z beside each other: colours are components, strokes are sets."""
    figure, (axes,) = new_figure()
    names = [name for name in _sets(result) if _components(result, name, 0)]
    strokes = ["-", "--", ":", "-."]
    for place, name in enumerate(names):
        for axis in range(3):
            points = _components(result, name, axis)
            label = f"{'xyz'[axis]} {name}".replace("$", r"\$")
            axes.plot(*zip(*points, strict=True), "." + strokes[place % 4], color=PALETTE[axis], label=label)
    finished(axes, "RMSE of components (eV/Å)", min(3, max(1, len(names))))
    return figure


def scale_figure(result: Learning) -> Figure:
    """The scale of forces over each set against the generation; grey: that of the labels."""
    found = {each.number: each.force_scales for each in result.generations}
    return _figure(found, "scale of forces", lambda axes: axes.axhline(1.0, color="0.4", linewidth=0.8))


def _numbers(each: GenerationResult, name: str, found: MeanErrors) -> list[OverModels | None]:
    components: list[OverModels | None] = [*found.components] or [None, None, None]
    return [found.energy, found.energy_shift, found.forces, *components, found.stress, each.force_scales.get(name)]


def _in_words(each: OverModels | None, digits: int) -> str:
    if each is None or math.isnan(each.mean):
        return "–"
    return f"{each.mean:.{digits}f}" + ("" if math.isnan(each.spread) else f" ± {each.spread:.{digits}f}")


def _sets(result: Learning) -> list[str]:
    return list(dict.fromkeys(name for each in result.generations for name in each.errors))


def _components(result: Learning, name: str, axis: int) -> list[tuple[int, float]]:
    return [
        (each.number, each.errors[name].components[axis].mean)
        for each in result.generations
        if name in each.errors and each.errors[name].components
    ]


def _figure(
    found: Mapping[int, Mapping[str, OverModels]],
    label: str,
    before: Callable[..., object] = lambda axes: None,
) -> Figure:
    """A number of each set against the generation, with the spread over models."""
    figure, (axes,) = new_figure()
    before(axes)
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    for place, name in enumerate(names):
        points = [(number, each[name]) for number, each in found.items() if name in each]
        axes.errorbar(
            [number for number, _ in points],
            [each.mean for _, each in points],
            yerr=[0.0 if math.isnan(each.spread) else each.spread for _, each in points],
            fmt=".-",
            capsize=2,
            color=PALETTE[place % len(PALETTE)],
            label=name.replace("$", r"\$"),
        )
    finished(axes, label)
    return figure


def finished(axes: Axes, label: str, columns: int = 1) -> None:
    """Whole numbers of generations along x, also of one alone, and a legend where something has a name."""
    low, high = axes.get_xlim()
    if high - low < 1.0:
        axes.set_xlim(low - 0.5, high + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.set(xlabel="generation", ylabel=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", frameon=False, ncols=columns)
