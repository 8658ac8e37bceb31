"""Environments of a study beside those of its first training set: rows, a table, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.learning_errors_text import finished
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.learning.learning import ElementEnvironments, Learning

_HEADER = ("generation", "set", "element", "atoms", "q_mean", "q_largest", "q_threshold", "share_flagged",
           "share_flagged_training")  # fmt: skip

CAPTION = (
    "Atoms whose environment is flagged, % (Q beyond mean + 2 standard deviations of the first training set, of which "
    "a few per cent are flagged themselves): an outlier measure, no proof of large errors"
)

_ALL = "all"


def environment_rows(result: Learning) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: the flagged share of each element in each set; none where there are none."""
    elements = list(dict.fromkeys(each.element for _, each in _everything(result)))
    head = ("generation", "set", "atoms", *elements, _ALL)
    rows = []
    for number, name in dict.fromkeys((number, each.set) for number, each in _everything(result)):
        found = {each.element: each for n, each in _everything(result) if (n, each.set) == (number, name)}
        shares = [f"{100.0 * found[symbol].flagged:.1f}" if symbol in found else "–" for symbol in elements]
        whole = f"{100.0 * flagged_share(list(found.values())):.1f}"
        atoms = str(sum(each.atoms for each in found.values()))
        rows.append(("–" if number is None else str(number), name, atoms, *shares, whole))
    return head, rows


def environments_table(result: Learning) -> Table:
    """A row each element of each set; without a generation: of the first training set and the test sets."""
    rows = [
        [number, each.set, each.element, each.atoms, each.mean, each.largest, each.threshold, each.flagged,
         each.flagged_training]
        for number, each in _everything(result)
    ]  # fmt: skip
    return Table(_HEADER, rows)


def flagged_share(found: Sequence[ElementEnvironments]) -> float:
    """Of the atoms of all elements, between 0 and 1."""
    atoms = sum(each.atoms for each in found)
    return sum(each.atoms * each.flagged for each in found) / atoms if atoms else float("nan")


def flagged_figure(result: Learning) -> Figure:
    """The flagged share of each set of a generation against its number; lines: sets that all generations have."""
    figure, (axes,) = new_figure()
    names = list(dict.fromkeys(each.set for one in result.generations for each in one.environments))
    for place, name in enumerate(names):
        found = [(one.number, [each for each in one.environments if each.set == name]) for one in result.generations]
        points = [(number, 100.0 * flagged_share(some)) for number, some in found if some]
        axes.plot(*zip(*points, strict=True), ".-", color=PALETTE[place % len(PALETTE)], label=name)
    for place, name in enumerate(dict.fromkeys(each.set for each in result.environments)):
        share = 100.0 * flagged_share([each for each in result.environments if each.set == name])
        colour = "0.4" if place == 0 else PALETTE[(len(names) + place - 1) % len(PALETTE)]
        axes.axhline(share, color=colour, linestyle=(0, (1, 2)), label=name.replace("$", r"\$"))
    axes.set_ylim(0.0, None)
    finished(axes, "flagged / %")
    return figure


def map_figure(symbol: str, training: str, samples: Mapping[str, np.ndarray]) -> Figure:
    """One element in the plane of the first two components: the first training set in grey, other sets in colours.

    Args:
        symbol: The element.
        training: The name of the set that is the first training set.
        samples: `SET/ELEMENT/points`, shape (n, 2), of all sets.
    """
    figure, (axes,) = new_figure()
    for name, colour, points in _coloured(symbol, training, "points", samples):
        size = 2.0 if name == training else 3.5
        axes.plot(*points.T, ".", color=colour, markersize=size, alpha=0.6, label=name, rasterized=True)
    axes.set(xlabel="component 1", ylabel="component 2")
    axes.legend(fontsize="small", frameon=False, markerscale=2.5)
    return figure


def distribution_figure(symbol: str, training: str, samples: Mapping[str, np.ndarray]) -> Figure:
    """The share of an element's atoms beyond each Q, in units of the threshold; arguments as `map_figure`, with `q`."""
    figure, (axes,) = new_figure()
    for name, colour, q in _coloured(symbol, training, "q", samples):
        share = 1.0 - np.arange(len(q)) / len(q)
        axes.step(np.sort(q), share, where="pre", color=colour, linewidth=1.0, label=name)
    axes.axvline(1.0, color="0.4", linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set(xlabel="Q / threshold", ylabel="share with a larger Q", xscale="log", yscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize="small", frameon=False, loc="lower left")
    return figure


def _coloured(
    symbol: str, training: str, what: str, samples: Mapping[str, np.ndarray]
) -> list[tuple[str, str, np.ndarray]]:
    """Sets with that element, the first training set before the others, so that it lies below them."""
    names = [key.removesuffix(f"/{symbol}/{what}") for key in samples if key.endswith(f"/{symbol}/{what}")]
    others = [name for name in names if name != training]
    found = [(training, "0.6")] if training in names else []
    found += [(name, PALETTE[place % len(PALETTE)]) for place, name in enumerate(others)]
    return [(name.replace("$", r"\$"), colour, samples[f"{name}/{symbol}/{what}"]) for name, colour in found]


def _everything(result: Learning) -> list[tuple[int | None, ElementEnvironments]]:
    found: list[tuple[int | None, ElementEnvironments]] = [(None, each) for each in result.environments]
    return found + [(one.number, each) for one in result.generations for each in one.environments]
