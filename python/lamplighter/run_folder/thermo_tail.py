"""Following `thermo.csv` while LAMMPS writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
