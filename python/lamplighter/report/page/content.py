"""What sections of a report are made of: numbers, text, tables, figures, views of structures, and what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from lamplighter.analysis.series import Estimate
from lamplighter.report.text import format_with_error


@dataclass(frozen=True)
class Number:
    """A number with its error, as the table of key numbers has it.

    Attributes:
        name: What it is, the same in all runs: `density`, `diffusivity of C3H4O3`.
        value: In `unit`; None: it could not be had, and `note` says why.
        error: One standard error, in `unit`; nan: there is none, and `note` says why.
        unit: Empty: a pure number.
        definition: Key of its `Definition`.
        method: How value and error were obtained.
        detail: From how many samples, what was left out, and the like.
        note: Why there is no value, or no error.
        bound: "≥" where the value is a lower bound; else empty.
        caution: Why the number is not what it is meant to be; empty: it is.
        exact: Whether an error makes no sense: a time that was read off, a largest value.
    """

    name: str
    value: float | None
    error: float
    unit: str
    definition: str
    method: str = ""
    detail: str = ""
    note: str = ""
    bound: str = ""
    caution: str = ""
    exact: bool = False

    @property
    def text(self) -> str:
        """The value with its error and unit; `not available` where there is none."""
        if self.value is None or not math.isfinite(self.value):
            return "not available"
        if self.exact:
            return f"{self.bound} {self.value:.5g} {self.unit}".strip()
        shown = format_with_error(self.value, self.error, self.unit).replace("  (", " (").strip()
        return f"{self.bound} {shown.removesuffix(' (no error bar)')}".strip()


def number(
    name: str, estimate: Estimate, definition: str, *, unit: str = "", factor: float = 1.0, detail: str = ""
) -> Number:
    """A number from an estimate, in its own unit, or times `factor` in `unit`."""
    if not detail and not estimate.note and math.isfinite(estimate.n_effective):
        detail = f"{estimate.n_effective:.0f} independent of {estimate.n_samples} samples"
    value = estimate.value * factor if math.isfinite(estimate.value) else None
    return Number(
        name,
        value,
        estimate.standard_error * factor,
        unit or estimate.unit,
        definition,
        estimate.method,
        detail,
        estimate.note,
    )


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and what there is to say."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows of text below a head; `name` becomes that of its CSV file."""

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A figure of one panel; `name` becomes that of its files, `definition` the key of what it shows."""

    name: str
    caption: str
    figure: Figure
    definition: str = ""


@dataclass(frozen=True)
class View:
    """Frames of a structure to turn about, as `structure_view.structure_view` makes them."""

    name: str
    caption: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Missing:
    """What could not be had, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Notes:
    """What limits the numbers."""

    notes: Sequence[str]


Block = Text | Facts | Table | Picture | View | Missing | Notes


@dataclass(frozen=True)
class Content:
    """What a section has to say of a run, or of several together.

    Attributes:
        numbers: For the table of key numbers.
        blocks: What is shown, in order.
        data: For `--json`: anything that `json_text.plain` takes.
        kept: What the section needs again when it puts several runs together.
    """

    numbers: Sequence[Number] = ()
    blocks: Sequence[Block] = ()
    data: Any = None
    kept: Any = field(default=None, repr=False)
