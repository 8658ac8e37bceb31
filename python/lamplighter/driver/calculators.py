"""Reference methods by the name of their ASE calculator: `tblite.ase:TBLite` with its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms

from lamplighter.driver.reference import CalculatorEvaluator, Floats, open_reference
from lamplighter.errors import LamplighterError
from lamplighter.named_calculator import NamedCalculator, problem_of_name
from lamplighter.structures.labels import unknown_stress


class EnergyAndForces(CalculatorEvaluator):
    """A calculator that is not asked for stresses, which many do not have."""

    def _stress(self, atoms: Atoms) -> Floats:
        return unknown_stress()


def open_calculator(
    name: str, options: Mapping[str, Any] | None = None, asked: str = "--reference"
) -> CalculatorEvaluator:
    """A reference method by a name of its own (`gfn2`), or by module and class of its ASE calculator.

    Args:
        name: `gfn1`, `gfn2`, or `module:Class`.
        options: What the class is called with.
        asked: What named it, for messages.

    Raises:
        LamplighterError: the name is not known.
        EnvironmentProblem: tblite, which has the methods with names of their own, is not installed.
        ModelError: the module is not installed, has no such class, or the class refuses the options.
    """
    if ":" not in name:
        if options:
            raise LamplighterError(f"{asked} {name} takes no options: they are for a reference named module:Class")
        return open_reference(name, asked)
    if wrong := problem_of_name(name):
        raise LamplighterError(f"{asked} {wrong}")
    return EnergyAndForces(NamedCalculator(name, dict(options or {})).made(f"{asked} {name}"), name)
