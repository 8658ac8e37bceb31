"""Tables as text for the terminal, and as CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from lamplighter.errors import LamplighterError


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns of equal width, set to the right, two spaces apart."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in (header, *rows)
    ]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV file; numbers with ten digits, and nothing where a number is not finite.

    Raises:
        LamplighterError: the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([[_cell(value) for value in row] for row in rows])
    except OSError as problem:
        raise LamplighterError(f"--csv {path} cannot be written: {problem.strerror or problem}") from problem


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.10g}" if math.isfinite(value) else ""
    return value
