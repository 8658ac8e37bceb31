"""The tables that a run writes row by row, such as `thermo.csv`: their columns, read whole or followed."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamplighter.errors import RunFolderError

THERMO_COLUMNS = (
    "stage,step,time_ps,temperature_K,pressure_bar,density_g_cm3,volume_A3,potential_energy_eV,kinetic_energy_eV,"
    "total_energy_eV,pxx_bar,pyy_bar,pzz_bar,pxy_bar,pxz_bar,pyz_bar,lx_A,ly_A,lz_A,xy_A,xz_A,yz_A"
)
"""The header of `thermo.csv`; `stage` is the zero-based index in the run file's list."""

COMMITTEE_COLUMNS = (
    "stage,step,time_ps,variance_max_eV2_A2,variance_mean_eV2_A2,variance_min_eV2_A2,deviation_max_eV_A,energy_std_eV,"
    "energy_std_eV_per_atom,evaluated_step,models,bias_eV"
)
"""The header of `committee.csv`, before the columns of each element."""

EXTRAPOLATION_COLUMNS = "stage,step,time_ps,extrapolation_max,extrapolation_mean,evaluated_step"
"""The header of `extrapolation.csv`, before the largest of each element."""

PRESSURE_COLUMNS = "stage,step,time_ps,temperature_K,volume_A3,pxx_bar,pyy_bar,pzz_bar,pxy_bar,pxz_bar,pyz_bar"
"""The header of `pressure_tensor.csv`."""

_END_BYTES = 4096
_KNOWN = frozenset((THERMO_COLUMNS + "," + COMMITTEE_COLUMNS).split(","))


class ThermoTable(dict[str, NDArray[np.float64]]):
    """Columns by name, each of shape (n_rows,), with the unit in the name: `pandas.DataFrame(run.thermo)`.

    A column of today's tables that the file of an earlier version lacks is nan throughout.

    Args:
        columns: Name → values; `stage` and `step` are among them.
        n_skipped: Lines of the file that are no rows of numbers (a last line that was broken off).
    """

    def __init__(self, columns: dict[str, NDArray[np.float64]], n_skipped: int = 0) -> None:
        super().__init__(columns)
        self.n_skipped = n_skipped

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self["step"])

    def __missing__(self, name: str) -> NDArray[np.float64]:
        """Raises RunFolderError: no version has such a column; the columns are named."""
        if name in _KNOWN:
            return np.full(self.n_rows, math.nan)
        close = difflib.get_close_matches(name, self, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise RunFolderError(f"the table has no column {name!r}{hint}; it has {', '.join(self)}")

    def __repr__(self) -> str:
        return f"<{self.n_rows} rows: {', '.join(self)}>"

    def stage(self, index: int) -> ThermoTable:
        """The rows of one stage."""
        rows = self["stage"] == index
        return ThermoTable({name: values[rows] for name, values in self.items()})

    @property
    def stage_indices(self) -> list[int]:
        """Stages that have rows, ascending."""
        return [int(index) for index in np.unique(self["stage"])]


def empty_table() -> ThermoTable:
    """A table without rows."""
    return ThermoTable({"stage": np.empty(0), "step": np.empty(0)})


def read_thermo(path: Path) -> ThermoTable:
    """Read a table; lines that are no rows of numbers are left out and counted.

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
    given = [line for line in lines[1:] if line.strip()]
    rows = _rows(given, len(header))
    rows = rows[np.isfinite(rows[:, :2]).all(axis=1)]
    return ThermoTable({name: rows[:, place] for place, name in enumerate(header)}, len(given) - len(rows))


def last_place(path: Path) -> tuple[int, float]:
    """Step and time (ps) of the last whole row of a table, from its end alone; zeros where there is none."""
    places = [THERMO_COLUMNS.split(",").index(name) for name in ("step", "time_ps")]
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _END_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines(keepends=True)
        words = [line for line in lines if line.endswith("\n")][-1].split(",")
        return int(words[places[0]]), float(words[places[1]])
    except (OSError, IndexError, ValueError):
        return 0, 0.0


def _rows(lines: list[str], n_columns: int) -> NDArray[np.float64]:
    """All lines at once where each is a row, as nearly always; else one by one."""
    if not lines:
        return np.empty((0, n_columns))
    try:
        rows = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
        if rows.shape[1] == n_columns:
            return rows
    except ValueError:
        pass
    good: list[list[float]] = []
    for line in lines:
        try:
            values = [float(field) for field in line.split(",")]
        except ValueError:
            continue
        if len(values) == n_columns:
            good.append(values)
    return np.asarray(good, dtype=np.float64).reshape(len(good), n_columns)


@dataclass(frozen=True)
class ThermoRow:
    """The columns of one row of `thermo.csv` that a progress display needs; units as in the names."""

    stage: int
    step: int
    temperature_K: float  # noqa: N815
    pressure_bar: float
    density_g_cm3: float
    potential_energy_eV: float  # noqa: N815


class ThermoTail:
    """Reads the rows that have been added to a thermo table since the last look.

    A line counts once its newline is there, so a half-written line waits for the next look. A file that
    has become shorter was started anew and is read from its beginning.

    Args:
        path: The table; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start_again()

    def _start_again(self) -> None:
        self._position = 0
        self._partial = b""
        self._columns: list[str] | None = None

    def new_rows(self) -> list[ThermoRow]:
        """Rows completed since the last call, in order; empty where there are none or no file yet.

        Lines that are not rows of numbers under the header are left out.

        Raises:
            OSError: the file exists and cannot be read.
        """
        try:
            if self._path.stat().st_size < self._position:
                self._start_again()
            with self._path.open("rb") as table:
                table.seek(self._position)
                added = table.read()
        except FileNotFoundError:
            return []
        self._position += len(added)
        *lines, self._partial = (self._partial + added).split(b"\n")
        rows = (self._parse(line.decode("utf-8", errors="replace").strip()) for line in lines)
        return [row for row in rows if row is not None]

    def _parse(self, line: str) -> ThermoRow | None:
        fields = [field.strip() for field in line.split(",")]
        if "step" in fields:
            self._columns = fields
            return None
        if self._columns is None or len(fields) != len(self._columns):
            return None
        named = dict(zip(self._columns, fields, strict=True))
        try:
            return ThermoRow(
                stage=int(float(named["stage"])),
                step=int(float(named["step"])),
                temperature_K=float(named["temperature_K"]),
                pressure_bar=float(named["pressure_bar"]),
                density_g_cm3=float(named["density_g_cm3"]),
                potential_energy_eV=float(named["potential_energy_eV"]),
            )
        except (KeyError, ValueError, OverflowError):
            return None
