"""How every command ends: the figure and the tables that were asked for are written, and the answer is printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lamplighter.api.answer import Answer
    from lamplighter.report.shown import Shown

R = TypeVar("R")


def show(
    result: R, shown: Shown[R], figure: Path | None = None, csv: Path | None = None, as_json: bool = False
) -> None:
    """Write `--figure` and `--csv`, then print the answer: as text, or with `--json` as JSON.

    Raises:
        LamplighterError: a file cannot be written; it is named with its option.
    """
    from lamplighter.json_text import json_text

    if figure is not None:
        shown.draw(result, figure, option="--figure")
    if csv is not None:
        shown.write_tables(result, csv, option="--csv")
    print(json_text(shown.json(result)) if as_json else shown.text(result))


def show_answer(answer: Answer[R], figure: Path | None = None, csv: Path | None = None, as_json: bool = False) -> None:
    """The same of what a function of the Python API answers. Raises as `show`."""
    show(answer.result, answer.shown, figure, csv, as_json)
