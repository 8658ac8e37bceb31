"""The section of a volume scan with rigid molecules, and how its densities are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.config.bonds import Tolerance
from lamplighter.config.section import ConfigSection
from lamplighter.named_calculator import TBLITE_METHODS, problem_of_name, problem_of_options

FEWEST_DENSITIES = 3

DENSITIES = "0.1:2.5:25"
"""Of the protocol, g/cm³: from the gas far into the repulsive wall."""

RUN_FILES = (".yaml", ".yml")

_WAY = f"write LOW:HIGH:NUMBER, e.g. {DENSITIES}, or each value"


class VolumeScanSection(ConfigSection):
    """E(V) of every model of the potential, and of a reference (`docs/how_to/equation_of_state.md`)."""

    densities: str | list[float] = DENSITIES
    reference: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    tolerance: Tolerance | None = None
    atomic: bool = False

    @field_validator("densities", mode="before")
    @classmethod
    def _densities_ascend(cls, given: Any) -> Any:
        try:
            parse_densities(given)
        except ValueError as problem:
            raise _problem(str(problem)) from None
        return given

    @model_validator(mode="after")
    def _reference_is_known(self) -> VolumeScanSection:
        if self.reference is None:
            if self.options:
                raise _problem("is of `reference`, which is not given", "options")
            return self
        if self.reference in TBLITE_METHODS:
            if self.options:
                raise _problem(f"is of a reference module:Class, and {self.reference} takes none", "options")
        elif self._is_run_file:
            if self.options:
                raise _problem("is of a reference module:Class, and a run file takes none", "options")
        elif problem_of_name(self.reference):
            raise _problem(
                f"must be {', '.join(TBLITE_METHODS)}, an ASE calculator module:Class, or another run file, got "
                f"{self.reference!r}; a file of labelled frames is for `lamplighter scan --reference FILE --model "
                "RUN.yaml`",
                "reference",
            )
        if wrong := problem_of_options(self.options):
            raise _problem(wrong, "options")
        return self

    def resolved(self, base: Path) -> VolumeScanSection:
        """A copy in which a run file as reference has an absolute path; a relative one is that of `base`."""
        if self.reference is None or not self._is_run_file:
            return self
        return self.model_copy(update={"reference": str((base / Path(self.reference).expanduser()).resolve())})

    @property
    def _is_run_file(self) -> bool:
        return self.reference is not None and Path(self.reference).suffix in RUN_FILES

    @property
    def values(self) -> list[float]:
        """The densities, g/cm³, ascending."""
        return parse_densities(self.densities)


def parse_densities(given: str | Sequence[float]) -> list[float]:
    """`0.1:2.5:25`, `0.5,0.8,1.1` or a list of numbers: ascending densities, g/cm³.

    Raises:
        ValueError: it cannot be understood, there are fewer than three, or they are not positive and ascending.
    """
    if isinstance(given, int | float):
        raise ValueError(f"cannot be understood: {given!r}, as YAML reads it, is one number: quote LOW:HIGH:NUMBER")
    try:
        if isinstance(given, str) and ":" in given:
            low, high, number = given.split(":")
            found = [float(each) for each in np.linspace(float(low), float(high), int(number))]
        else:
            found = [float(each) for each in (given.split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError):
        raise ValueError(f"{given!r} cannot be understood: {_WAY}") from None
    if len(found) < FEWEST_DENSITIES:
        raise ValueError(f"{given!r} is {len(found)} densities, fewer than {FEWEST_DENSITIES}: {_WAY}")
    ascending = all(lower < higher for lower, higher in pairwise(found))
    if not (found[0] > 0.0 and all(math.isfinite(each) for each in found) and ascending):
        raise ValueError(f"{given!r} must be > 0 g/cm³ and ascend: {_WAY}")
    return found


def _problem(text: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
