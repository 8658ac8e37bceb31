"""Tables as CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from lamplighter.errors import LamplighterError


def write_table(option: str, path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; numbers with ten digits, and nothing for what is not finite.

    Args:
        option: That named the file, for the message.

    Raises:
        LamplighterError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([_cell(value) for value in row] for row in rows)
    except OSError as problem:
        raise LamplighterError(f"{option} {path} cannot be written: {problem.strerror or problem}") from problem


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return "" if value is None else value
    return f"{value:.10g}" if math.isfinite(value) else ""
