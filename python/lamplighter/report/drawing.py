"""What figures of observables share: their look, and how they are written."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lamplighter.errors import LamplighterError

# Okabe & Ito's palette, told apart by colour-blind readers: https://jfly.uni-koeln.de/color/
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_NO_TEXT = re.compile("[\ud800-\udfff]")

ONE_PANEL = (4.4, 3.0)
"""Size of a figure of one panel, inches. A phone of 375 pixels shows it 323 pixels wide: its text keeps its size."""


_given: ContextVar[Sequence[Axes | None]] = ContextVar("given axes", default=())


@contextlib.contextmanager
def onto(axes: Sequence[Axes | None]) -> Iterator[None]:
    """Until the end of the `with` statement, a figure draws its panels into these axes; None: the panel is not wanted.

    Args:
        axes: One for each panel, in order; of fewer, the other panels are not wanted.
    """
    before = _given.set(axes)
    try:
        yield
    finally:
        _given.reset(before)


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None, sharex: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """A figure without a display, and its axes, row by row; those of `onto` in their place.

    Args:
        rows, columns: Of panels.
        size: Inches; None: as panels need it.
        sharex: Panels share their x axis.

    Raises:
        LamplighterError: `onto` gives more axes than there are panels.
    """
    if size is None:
        size = ONE_PANEL if rows == columns == 1 else (4.6 * columns + 0.8, 3.2 * rows)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, sharex=sharex, squeeze=False).ravel())
    for axis in axes:
        axis.locator_params(axis="x", nbins=6)  # labels such as 0.025 need room
        axis.grid(color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    given = _given.get()
    if len(given) > len(axes):
        raise LamplighterError(
            f"ax: {len(given)} axes are given, and this figure has {len(axes)} panel{'s' if len(axes) > 1 else ''} "
            f"({rows} × {columns}): give one for each, e.g. plt.subplots({rows}, {columns})[1]"
        )
    for place, axis in enumerate(given):
        if axis is not None:
            axes[place] = axis
    return figure, axes


def legend_above(figure: Figure, axis: Axes, handles: Sequence[Any], names: Sequence[str]) -> None:
    """One legend of all panels, above them; within the first panel, where it lies in somebody else's figure."""
    if axis.get_figure() is figure:
        figure.legend(handles, names, fontsize="small", frameon=False, loc="outside upper center", ncols=3)
    else:
        axis.legend(handles, names, fontsize="small", frameon=False)


def own_settings() -> AbstractContextManager[None]:
    """Matplotlib as it comes, until the end of the `with` statement: others change it for the whole process.

    Importing MACE sets the font size to 8, which a phone cannot show.
    """
    return matplotlib.style.context("default")


@contextlib.contextmanager
def any_text(figure: Figure) -> Iterator[None]:
    """Write a figure in this: names of runs, models and files in it may hold any character.

    Two `$` in a name begin no formula (those of ours begin with `$_`), bytes that are no text become U+FFFD, and
    characters that the font lacks are drawn as boxes without a warning for each.
    """
    for text in figure.findobj(Text):
        content = _NO_TEXT.sub("\ufffd", text.get_text())
        if "$" in content and "$_" not in content:
            text.set_parse_math(False)
            content = content.replace(r"\$", "$")
        text.set_text(content)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def save(figure: Figure, path: Path, option: str = "") -> None:
    """Write a figure in the format of its suffix.

    Args:
        figure: What is written.
        path: The file.
        option: Which option of a command named the file, for the message.

    Raises:
        LamplighterError: the format is not known, or the file cannot be written.
    """
    named = f"{option} {path}".strip()
    known = figure.canvas.get_supported_filetypes()
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in known:
        raise LamplighterError(f"{named}: the suffix must be one of {', '.join(sorted(known))}")
    try:
        with any_text(figure):
            figure.savefig(path, dpi=150, format=suffix)
    except OSError as problem:
        raise LamplighterError(f"{named} cannot be written: {problem.strerror or problem}") from problem
