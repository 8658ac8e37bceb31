"""Bond lengths along the runs of each generation beside those of the reference: rows, a table, a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.learning_errors_text import finished
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.learning.learning import BondLength, Learning

_HEAD = ("generation", "bond", "lengths", "mean, Å", "spread, Å", "reference, Å", "its spread, Å", "longer by, mÅ",
         "wider by")  # fmt: skip
_HEADER = ("generation", "bond", "lengths", "mean_A", "mean_error_A", "spread_A", "reference_mean_A",
           "reference_error_A", "reference_spread_A", "shift_A", "shift_error_A", "spread_ratio")  # fmt: skip

CAPTION = (
    "Bonds along the last stage of each generation's runs, which its first model drives, beside the reference; a "
    "number after an element says how many bonds it has; the spread is over bonds and time"
)


def bond_rows(result: Learning) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: each kind of bond in each generation."""
    return _HEAD, [
        (
            str(one.number),
            each.name,
            str(each.lengths),
            _with_error(each.mean, each.error, 1.0, 4),
            f"{each.spread:.4f}",
            _with_error(each.reference_mean, each.reference_error, 1.0, 4),
            _number(each.reference_spread, "{:.4f}"),
            _with_error(each.shift, each.shift_error, 1e3, 1),
            _number(each.spread_ratio, "{:.2f} times"),
        )
        for one in result.generations
        for each in one.bonds
    ]


def bonds_table(result: Learning) -> Table:
    """A row each kind of bond in each generation."""
    return Table(_HEADER, [[one.number, *_values(each)] for one in result.generations for each in one.bonds])


def bonds_figure(result: Learning) -> Figure:
    """How much longer each kind of bond is than in the reference, against the generation."""
    figure, (axes,) = new_figure()
    axes.axhline(0.0, color="0.4", linewidth=0.8)
    names = list(dict.fromkeys(each.name for one in result.generations for each in one.bonds))
    for place, name in enumerate(names):
        found = [(one.number, each) for one in result.generations for each in one.bonds if each.name == name]
        found = [(number, each) for number, each in found if math.isfinite(each.shift)]
        if not found:
            continue
        axes.errorbar(
            [number for number, _ in found],
            [1e3 * each.shift for _, each in found],
            yerr=[0.0 if math.isnan(each.shift_error) else 1e3 * each.shift_error for _, each in found],
            fmt=".-",
            capsize=2,
            color=PALETTE[place % len(PALETTE)],
            label=name,
        )
    finished(axes, "longer by (mÅ)", 2)
    return figure


def _values(each: BondLength) -> list[object]:
    return [each.name, each.lengths, each.mean, each.error, each.spread, each.reference_mean, each.reference_error,
            each.reference_spread, each.shift, each.shift_error, each.spread_ratio]  # fmt: skip


def _number(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else "–"


def _with_error(value: float, error: float, factor: float, digits: int) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{factor * value:.{digits}f}" + (f" ± {factor * error:.{digits}f}" if math.isfinite(error) else "")
