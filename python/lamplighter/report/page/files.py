"""What is on the page as files: figures as PNG and PDF, tables as CSV, everything as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lamplighter.errors import LamplighterError
from lamplighter.report.drawing import any_text, own_settings
from lamplighter.report.page.assemble import Report
from lamplighter.report.page.content import Number, Picture, Table
from lamplighter.report.page.html import anchor, blocks_of

FORMATS = ("png", "pdf")


def write_page(text: str, path: Path) -> None:
    """Write the page in one piece.

    Raises:
        LamplighterError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8", errors="replace")  # names of folders may hold bytes that are no text
        new.replace(path)
    except OSError as problem:
        raise LamplighterError(
            f"the report {path} cannot be written ({problem.strerror or problem}): name another file (--output)"
        ) from problem


def write_files(report: Report, folder: Path) -> list[Path]:
    """`numbers.csv`, a CSV file for each table, a PNG and a PDF file for each figure; of several runs, the name first.

    Raises:
        LamplighterError: they cannot be written.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written.append(_write(folder / "numbers.csv", _NUMBERS, _number_rows(report)))
        for label, block in blocks_of(report):
            prefix = f"{anchor(label)}_" if label and len(report.runs) > 1 else ""
            if isinstance(block, Table):
                written.append(_write(folder / f"{prefix}{block.name}.csv", block.head, block.rows))
            elif isinstance(block, Picture):
                for suffix in FORMATS:
                    path = folder / f"{prefix}{block.name}.{suffix}"
                    with own_settings(), any_text(block.figure):
                        block.figure.savefig(path, dpi=200, format=suffix)
                    written.append(path)
    except OSError as problem:
        raise LamplighterError(f"--files {folder}: cannot be written ({problem.strerror or problem})") from problem
    return written


def as_json(report: Report) -> dict[str, Any]:
    """What `--json` prints, for `json_text`: verdicts, numbers, and the data of each section."""
    runs = [
        {
            "run": part.run.label,
            "folder": part.run.folder,
            "state": part.verdict.state,
            "verdict": part.verdict.sentence,
            "system": part.run.system,
            "numbers": list(part.numbers),
            "sections": {section.key: content.data for section, content in part.sections if content.data is not None},
        }
        for part in report.runs
    ]
    return {
        "runs": runs,
        "together": {
            "numbers": [number for _, content in report.together for number in content.numbers],
            "sections": {section.key: content.data for section, content in report.together if content.data is not None},
        },
        "comparison": report.comparison,
        "faults": report.faults,
    }


_NUMBERS = ("run", "quantity", "bound", "value", "standard_error", "unit", "method", "detail", "note", "caution")


def _number_rows(report: Report) -> Iterable[Sequence[Any]]:
    for part in report.runs:
        yield from (_number_row(part.run.label, each) for each in part.numbers)
    for _, content in report.together:
        yield from (_number_row("all", each) for each in content.numbers)
    if report.comparison is not None:
        for name, spread in report.comparison.spreads.items():
            mean = spread.mean
            detail = f"standard deviation between runs {spread.spread:.6g}"
            yield ("mean", name, "", mean.value, mean.standard_error, mean.unit, mean.method, detail, "", "")


def _number_row(label: str, number: Number) -> Sequence[Any]:
    value = "" if number.value is None else number.value
    error = number.error if number.error == number.error else ""
    return (
        label,
        number.name,
        number.bound,
        value,
        error,
        number.unit,
        number.method,
        number.detail,
        number.note,
        number.caution,
    )


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path
