"""How many of each: amounts of a recipe become whole numbers of molecules.

Ratios (mole, mass, volume) are met as well as whole numbers near the number of atoms that was asked for can meet them.
Salts count as units, so that rounding charges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import Floats, Integers
from lamplighter.building.recipe import ComponentSection, Recipe
from lamplighter.building.species import Species
from lamplighter.errors import ConfigError, StructureError

WORST = 0.1
"""Largest deviation of an amount from what was asked for, relative, that is built."""

GOOD = 0.05
"""Deviation that is advised, where fewer atoms miss `WORST`."""

SLACK = 0.05
"""How far the number of atoms may leave what was asked for, relative, where the amounts are met better there."""

MOST_ATOMS = 2_000_000
"""That a box may have."""


@dataclass(frozen=True)
class Unit:
    """What a component of the recipe adds at a time: a molecule, or the ions of a salt.

    Attributes:
        section: The component of the recipe.
        species: Kinds of molecules with how many of each.
    """

    section: ComponentSection
    species: dict[Species, int]

    @property
    def mass(self) -> float:
        """g/mol."""
        return sum(count * each.mass for each, count in self.species.items())

    @property
    def n_atoms(self) -> int:
        """Atoms."""
        return sum(count * len(each.elements) for each, count in self.species.items())


def numbers_of(units: Sequence[Unit], recipe: Recipe) -> Integers:
    """How many units there are of each component, shape (n,).

    Raises:
        ConfigError: a density that a volume needs is not known, or a molarity is beyond what the density allows.
        StructureError: there are too few atoms for the amounts.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        amounts = _amounts(units, recipe)
    sizes = np.array([unit.n_atoms for unit in units], dtype=np.int64)
    wanted = float(amounts @ sizes) if recipe.atoms is None else recipe.atoms
    if not np.isfinite(amounts).all() or not wanted <= MOST_ATOMS:
        raise StructureError(
            f"these amounts come to {wanted:.4g} atoms, and a box may have {MOST_ATOMS}: give smaller amounts"
        )
    if recipe.atoms is None:
        numbers = np.rint(amounts).astype(np.int64)
        worst = _deviation(numbers, amounts)
    else:
        numbers, worst = _best(amounts, sizes, recipe.atoms)
    if worst <= WORST:
        return numbers
    least = int(np.argmin(numbers))
    name = units[least].section.called
    raise StructureError(
        f"too few atoms for these amounts: {int(numbers @ sizes)} atoms hold {numbers[least]} {name}, which is "
        f"{100 * worst:.0f} % off what the recipe asks for; {_advice(amounts, sizes, recipe.atoms)}"
    )


def _amounts(units: Sequence[Unit], recipe: Recipe) -> Floats:
    """In moles, up to a common factor; with `number` they are numbers."""
    amounts = np.zeros(len(units))
    masses = np.array([unit.mass for unit in units])
    for place, unit in enumerate(units):
        kind, value = unit.section.amount, getattr(unit.section, unit.section.amount)
        if kind in ("number", "mole"):
            amounts[place] = value
        elif kind == "mass":
            amounts[place] = value / unit.mass
        elif kind == "volume":
            amounts[place] = value * _density(place, unit) / unit.mass
    kilograms = float(amounts @ masses) / 1000.0
    for place, unit in enumerate(units):
        if unit.section.molality is not None:
            amounts[place] = unit.section.molality.metal * kilograms
    if any(unit.section.molarity is not None for unit in units):
        assert recipe.density is not None  # the recipe refuses molarity without it
        per_litre = np.array([0.0 if (c := unit.section.molarity) is None else c.metal for unit in units])
        solvent = recipe.density.metal - float(per_litre @ masses) / 1000.0  # kg in a litre of the solution
        if solvent <= 0.0:
            raise ConfigError(
                f"density: a litre of {recipe.density} has less mass than the {per_litre.sum():g} mol of solutes in it"
            )
        litres = float(amounts @ masses) / 1000.0 / solvent
        amounts += per_litre * litres
    return amounts


def _density(place: int, unit: Unit) -> float:
    if unit.section.density is not None:
        return unit.section.density.metal
    known = next(iter(unit.species)).density if len(unit.species) == 1 else None
    if known is None:
        raise ConfigError(
            f"components[{place}].density: is needed for a volume of {unit.section.called}, because the library has no "
            "density of it; write e.g. '1.2 g/cm3'"
        )
    return known


def _best(amounts: Floats, sizes: Integers, atoms: int) -> tuple[Integers, float]:
    """The numbers that meet the amounts best near a number of atoms, and their deviation."""
    per_mole = float(amounts @ sizes)
    best: tuple[float, Integers, float] | None = None
    for wanted in np.linspace((1.0 - SLACK) * atoms, (1.0 + SLACK) * atoms, 101):
        numbers = np.rint(amounts * wanted / per_mole).astype(np.int64)
        worst = _deviation(numbers, amounts)
        score = worst + 0.2 * abs(float(numbers @ sizes) / atoms - 1.0)
        if best is None or score < best[0] - 1e-12:
            best = score, numbers, worst
    assert best is not None
    return best[1], best[2]


def _deviation(numbers: Integers, amounts: Floats) -> float:
    """The largest deviation of a share from what was asked for, relative."""
    if not numbers.all():
        return 1.0
    shares, wanted = numbers / numbers.sum(), amounts / amounts.sum()
    return float(np.abs(shares / wanted - 1.0).max())


def _advice(amounts: Floats, sizes: Integers, atoms: int | None) -> str:
    if atoms is None:
        return "give larger numbers"
    wanted = float(atoms)
    while wanted < MOST_ATOMS:
        wanted *= 1.1
        numbers, worst = _best(amounts, sizes, round(wanted))
        if worst <= GOOD:
            return f"about {int(numbers @ sizes)} atoms meet it within {100 * GOOD:.0f} %"
    return f"{MOST_ATOMS} atoms are too few as well"
