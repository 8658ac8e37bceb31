"""The criteria of `fix guard`, declared once for Python: names, keys, units, presets.

`pair_styles/guard_criteria.cpp` declares the same names and units for C++, and a test holds the two against each other.
How a criterion is measured stands in both languages, too, and on purpose: in `guard_criteria.cpp` for runs, in
`analysis/stability_check.py` for trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Criterion:
    """What a guard can watch.

    Attributes:
        name: Words of `fix guard` before the limit; also the name in events.
        unit: Of value and limit in LAMMPS' metal units; empty: a number without one.
        meaning: The limit in words, as a help text.
        quantity: The kind of quantity that a run file takes for the limit (`config/quantity.py`); empty: a number.
        metavar: What stands for the limit in a help text.
        above: The limit must be greater.
        has_bounds: The limit is a lower and a higher bound.
        always: It is watched unasked, and its limit is 0.
        of_bonds: It watches bonds.
        of_committee: It takes a committee.
        of_training_set: It takes a model that knows its training set.
    """

    name: str
    unit: str
    meaning: str
    quantity: str = ""
    metavar: str = "MAX"
    above: float = 0.0
    has_bounds: bool = False
    always: bool = False
    of_bonds: bool = False
    of_committee: bool = False
    of_training_set: bool = False

    @property
    def of_models(self) -> bool:
        """Whether it says that models are not to be trusted, not that the system is broken; no trajectory shows it."""
        return self.of_committee or self.of_training_set

    @property
    def key(self) -> str:
        """Its key in `guard:` of a run file, and in Python."""
        return self.name.replace(" ", "_")

    @property
    def is_seen_in_trajectories(self) -> bool:
        """Whether `lamplighter check` has a limit for it."""
        return not self.always and not self.of_models

    def unit_in(self, style: str) -> str:
        """Unit of its value and limit in a unit style of LAMMPS; empty where there is none, or it is not known.

        `fix guard` states lengths of bonds in Å, densities in g/cm³ and what models say of themselves in eV and Å in
        all unit styles in which these exist; forces and energies are in the units of the run.
        """
        if style == "metal" or self.of_models:
            return self.unit
        if style == "lj":
            return ""
        of_the_run = {"force": "kcal/mol/Å", "energy": "kcal/mol/atom"}
        if self.name in of_the_run:
            return of_the_run[self.name] if style == "real" else ""
        return self.unit


CRITERIA = (
    Criterion(
        "bond stretch",
        "Å",
        "A bond may be longer than its reference by at most this, Å.",
        quantity="length",
        metavar="X",
        of_bonds=True,
    ),
    Criterion(
        "bond ratio",
        "",
        "A bond may be longer than its reference by at most this factor.",
        metavar="X",
        above=1.0,
        of_bonds=True,
    ),
    Criterion("density", "g/cm³", "The density stays within these bounds, g/cm³.", metavar="LO HI", has_bounds=True),
    Criterion("temperature", "K", "The temperature stays below this, K.", quantity="temperature"),
    Criterion("force", "eV/Å", "The force on each atom stays below this, eV/Å.", quantity="force"),
    Criterion("energy", "eV/atom", "The total energy drifts by at most this, eV/atom.", metavar="DRIFT"),
    Criterion("finite", "", "All numbers are finite.", always=True),
    Criterion("lost", "", "No atom is lost.", always=True),
    Criterion(
        "variance",
        "eV²/Å²",
        "The variance of the members' forces stays below this, eV²/Å².",
        of_committee=True,
    ),
    Criterion("deviation", "eV/Å", "The deviation of the members' forces stays below this, eV/Å.", of_committee=True),
    Criterion(
        "extrapolation",
        "",
        "A model's own uncertainty of each atom stays below this, of the largest of its element in the training set.",
        of_training_set=True,
    ),
)
"""In the order of their numbers in `fix guard`, from 1."""

UNITS = {criterion.name: criterion.unit for criterion in CRITERIA}
"""Unit of value and limit by name, in LAMMPS' metal units."""

OF_MODELS = tuple(criterion.name for criterion in CRITERIA if criterion.of_models)
"""Names of the criteria that say that models are not to be trusted, not that the system is broken."""

PRESETS: dict[str, dict[str, Any]] = {
    "stability": {"bond_stretch": 0.5, "density": (0.2, 2.0)},
    "active-learning": {"bond_ratio": 2.0, "density": (0.2, 1.2)},
}
"""Limits by key, in the criteria's units: trajectory stability and active learning of Niblett et al. (3.2 and 3.3)."""

MEANT_FOR: dict[str, dict[str, str]] = {
    preset: {"density": "molecular liquids of about 1 g/cm³, such as organic electrolytes"} for preset in PRESETS
}
"""What the limits of a preset are for, by key; keys that are not here fit anything with bonds."""

VARIANCE_OF_ACTIVE_LEARNING = 0.5
"""eV²/Å², of the same source; `active-learning` asks for it where there is a committee."""


def criterion_numbered(number: int) -> str:
    """The name by the number that is the scalar of `fix guard`; "none" for 0."""
    return CRITERIA[number - 1].name if number else "none"


def in_words(key: str, limit: float | tuple[float, float]) -> str:
    """A criterion and its limit, in the criterion's unit, as `fix guard` reads them: `density 0.2 2`."""
    limits = limit if isinstance(limit, tuple) else (limit,)
    return " ".join([key.replace("_", " "), *(f"{each:.12g}" for each in limits)])


def format_limit(limit: float | tuple[float, float] | None, unit: str = "") -> str:
    """A limit with its unit; of two bounds `0.2 to 2 g/cm³`."""
    if limit is None:
        return "–"
    text = f"{limit[0]:g} to {limit[1]:g}" if isinstance(limit, tuple) else f"{limit:g}"
    return f"{text} {unit}".rstrip()
