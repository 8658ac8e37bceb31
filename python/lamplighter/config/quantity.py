"""A number with its unit, as a run file writes it: `0.5 fs`, `500 K`, `1 atm`.

A bare number is refused, because 0.5 could be fs or ps and 1 could be bar or atm. Every quantity knows its
kind (time, temperature, …) and converts to the unit that LAMMPS `units metal` uses for that kind.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

# Factors to LAMMPS `units metal`: ps, K, bar, Å, eV/Å, g/cm³; wall times are in s, concentrations in mol/kg and mol/L.
# 1 atm = 1.01325 bar exactly (10th CGPM, 1954).
UNITS: dict[str, dict[str, float]] = {
    "time": {"fs": 1e-3, "ps": 1.0, "ns": 1e3},
    "temperature": {"K": 1.0},
    "pressure": {
        "Pa": 1e-5,
        "kPa": 1e-2,
        "MPa": 10.0,
        "GPa": 1e4,
        "bar": 1.0,
        "kbar": 1e3,
        "atm": 1.01325,
    },
    "length": {"A": 1.0, "Å": 1.0, "nm": 10.0},
    "force": {"eV/A": 1.0, "eV/Å": 1.0, "meV/A": 1e-3, "meV/Å": 1e-3},
    "steps": {"steps": 1.0, "step": 1.0},
    "wall time": {"s": 1.0, "min": 60.0, "h": 3600.0},
    "density": {"g/cm3": 1.0, "g/cm³": 1.0, "kg/m3": 1e-3, "kg/m³": 1e-3},
    "molality": {"mol/kg": 1.0},
    "molarity": {"mol/L": 1.0, "mol/l": 1.0, "M": 1.0},
}

EXAMPLES = {
    "time": "'0.5 fs' or '20 ps'",
    "temperature": "'500 K'",
    "pressure": "'1 atm' or '1 bar'",
    "length": "'2 A'",
    "force": "'0.05 eV/A'",
    "duration": "'20 ps' or '200 steps'",
    "wall time": "'30 min'",
    "density": "'1.1 g/cm3'",
    "molality": "'1 mol/kg'",
    "molarity": "'1 mol/L'",
}

_PATTERN = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\s\d].*?)\s*$")


@dataclass(frozen=True)
class Quantity:
    """A value with its unit.

    `value` is in `unit`; `metal` is the same quantity in the LAMMPS metal unit of its kind (ps, K, bar, Å,
    eV/Å), a count of steps, or s of wall time.
    """

    value: float
    unit: str

    @property
    def kind(self) -> str:
        return next(kind for kind, units in UNITS.items() if self.unit in units)

    @property
    def metal(self) -> float:
        """The value in ps, K, bar, Å, eV/Å or steps, according to `kind`."""
        return self.value * UNITS[self.kind][self.unit]

    def __str__(self) -> str:
        return f"{self.value:.12g} {self.unit}"


def parse_quantity(given: Any, kind: str, minimum: str = "none") -> Quantity:
    """Read a quantity of one kind from what a run file holds.

    `kind` is a key of `UNITS`, or `duration` (a time or a number of steps). `minimum` is `none`, `zero`
    (negative values are refused) or `positive` (zero is refused too).

    Raises PydanticCustomError with a message that names the value and shows a right one.
    """
    example = EXAMPLES[kind]
    kinds = ("time", "steps") if kind == "duration" else (kind,)
    if isinstance(given, Quantity):
        given = str(given)
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise _problem(f"{given!r} is not a {kind}; write e.g. {example}")
    if isinstance(given, int | float) or _is_number(given):
        raise _problem(f"{given} has no unit; write e.g. {example}")
    match = _PATTERN.match(given)
    known = {unit for each in kinds for unit in UNITS[each]}
    if match is None or match.group(2) not in known:
        units = ", ".join(sorted(known - {"step"}))
        raise _problem(f"{given!r} is not a {kind}; write e.g. {example} (units: {units})")
    quantity = Quantity(float(match.group(1)), match.group(2))
    if not math.isfinite(quantity.value):
        raise _problem(f"{given!r} is not finite; write e.g. {example}")
    if minimum == "positive" and quantity.value <= 0:
        raise _problem(f"must be > 0, got {given!r}; write e.g. {example}")
    if minimum == "zero" and quantity.value < 0:
        raise _problem(f"must not be negative, got {given!r}; write e.g. {example}")
    if quantity.kind == "steps" and quantity.value != int(quantity.value):
        raise _problem(f"a number of steps must be whole, got {given!r}; write e.g. '200 steps'")
    return quantity


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _problem(text: str) -> PydanticCustomError:
    return PydanticCustomError("quantity", "{problem}", {"problem": text})


@dataclass(frozen=True)
class QuantityField:
    """Marks a pydantic field as a quantity of one kind; it is written back as its string."""

    kind: str
    minimum: str = "none"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda given: parse_quantity(given, self.kind, self.minimum),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


Time = Annotated[Quantity, QuantityField("time", "positive")]
Temperature = Annotated[Quantity, QuantityField("temperature", "positive")]
Length = Annotated[Quantity, QuantityField("length", "zero")]
Force = Annotated[Quantity, QuantityField("force", "positive")]
Duration = Annotated[Quantity, QuantityField("duration", "positive")]
"""A time or a number of steps."""
