"""The section of the run file for the parts of the box that ranks have: their grid, and how they are balanced."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator
from pydantic_core import PydanticCustomError

from lamplighter.config.quantity import Duration
from lamplighter.config.section import ConfigSection

AUTO = "auto"
ANY = "* * *"
"""The grid that LAMMPS chooses: of the least surface in a box that is filled evenly."""


def _grid(given: Any) -> str:
    words = [str(word) for word in given] if isinstance(given, list | tuple) else str(given).split()
    if words == [AUTO]:
        return AUTO
    if len(words) != 3 or not all(re.fullmatch(r"\*|[1-9]\d{0,5}", word) for word in words):
        wanted = "`auto`, or the numbers of ranks along x, y and z with * for any, such as '2 2 1' or '* * 1'"
        problem = f"is {wanted}; got {given!r}"
        raise PydanticCustomError("processors", "{problem}", {"problem": problem})
    return " ".join(words)


ProcessorGrid = Annotated[str, PlainValidator(_grid), PlainSerializer(str)]
"""`auto`, or three words as LAMMPS' command `processors` takes them."""


def given_domains(processors: str) -> int:
    """Product of the numbers that a grid gives; 1 where it gives none."""
    return math.prod(int(word) for word in processors.split() if word.isdigit())


def is_of_ranks(processors: str, ranks: int) -> bool:
    """Whether a grid makes one domain for each of so many ranks."""
    free = processors == AUTO or "*" in processors
    return ranks % given_domains(processors) == 0 if free else ranks == given_domains(processors)


class DomainsSection(ConfigSection):
    """Which part of the box each rank has (`docs/how_to/balance.md`); `processors` and `balance` as LAMMPS has them."""

    processors: ProcessorGrid = AUTO
    balance: Literal["auto", "never", "shift", "rcb"] = "auto"
    weight: Literal["atoms", "neigh"] = "atoms"
    every: Duration | None = None
