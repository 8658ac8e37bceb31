"""Reading a finished (or broken off) `thermo.csv`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamplighter.errors import RunFolderError


@dataclass(frozen=True)
class ThermoTable:
    """The rows of a thermo table.

    Attributes:
        columns: Name → values, each of shape (n_rows,); names and units as in `thermo.csv`.
        n_skipped: Lines that are not rows of numbers (a last line that was broken off).
    """

    columns: dict[str, NDArray[np.float64]]
    n_skipped: int

    def __len__(self) -> int:
        return len(self.columns["step"])

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Values of a column; nan throughout where the table has no such column."""
        found = self.columns.get(name)
        return found if found is not None else np.full(len(self), math.nan)

    def stage(self, index: int) -> ThermoTable:
        """The rows of one stage."""
        rows = self.columns["stage"] == index
        return ThermoTable({name: values[rows] for name, values in self.columns.items()}, 0)

    @property
    def stage_indices(self) -> list[int]:
        """Stages that have rows, ascending."""
        return [int(index) for index in np.unique(self.columns["stage"])]


def read_thermo(path: Path) -> ThermoTable:
    """Read a thermo table; lines that are no rows of numbers are left out and counted.

    Raises:
        RunFolderError: the file cannot be read, or its header lacks the columns `stage` and `step`.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as problem:
        raise RunFolderError(f"thermo table {path} cannot be read: {problem.strerror or problem}") from problem
    header = [name.strip() for name in lines[0].split(",")] if lines else []
    if "stage" not in header or "step" not in header:
        raise RunFolderError(f"thermo table {path} has no header with the columns stage and step")
    rows: list[list[float]] = []
    n_skipped = 0
    for line in lines[1:]:
        fields = line.split(",")
        try:
            values = [float(field) for field in fields]
            if len(values) != len(header) or not (math.isfinite(values[0]) and math.isfinite(values[1])):
                raise ValueError
        except ValueError:
            n_skipped += bool(line.strip())
            continue
        rows.append(values)
    table = np.asarray(rows, dtype=np.float64).reshape(len(rows), len(header))
    return ThermoTable({name: table[:, i] for i, name in enumerate(header)}, n_skipped)
