"""Tables: as lines for the terminal, and as CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.errors import LamplighterError


@dataclass(frozen=True)
class Table:
    """A table of numbers and words.

    Attributes:
        header: Names of the columns, with their units.
        rows: One value for each column; None, and what is not finite, where there is nothing to say.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]


def rows(header: Sequence[str], body: Iterable[Sequence[str]], *, right: bool = False, narrowest: int = 0) -> list[str]:
    """Lines of words in columns of equal width, two spaces apart.

    Args:
        header: The first line.
        body: The lines below it.
        right: Whether columns are set to the right; else to the left.
        narrowest: The least width of all columns but the first, characters.
    """
    lines = [header, *body]
    widths = [max(narrowest if column else 0, *(len(line[column]) for line in lines)) for column in range(len(header))]
    return [
        "  ".join(
            word.rjust(width) if right else word.ljust(width) for word, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def write_table(table: Table, path: Path, option: str = "") -> None:
    """A CSV file; numbers with ten digits, and nothing where a number is not finite.

    Args:
        table: What is written.
        path: The file.
        option: Which option named the file, for the message.

    Raises:
        LamplighterError: the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.header)
            writer.writerows([_cell(value) for value in row] for row in table.rows)
    except OSError as problem:
        named = f"{option} {path}".strip()
        raise LamplighterError(f"{named} cannot be written: {problem.strerror or problem}") from problem


def _cell(value: object) -> object:
    if not isinstance(value, float):  # NumPy's float64 is one
        return "" if value is None else value
    return f"{value:.10g}" if math.isfinite(value) else ""


def joined(column: str, tables: Mapping[str, Table]) -> Table:
    """Tables below each other, with their names in a first column; columns that one lacks stay empty there.

    Args:
        column: Header of the first column.
        tables: By name.
    """
    header = list(dict.fromkeys(name for table in tables.values() for name in table.header))
    body = []
    for name, table in tables.items():
        for row in table.rows:
            known = dict(zip(table.header, row, strict=True))
            body.append([name, *(known.get(each) for each in header)])
    return Table([column, *header], body)
