"""Reference methods by the name of their ASE calculator: `tblite.ase:TBLite` with its options."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from ase import Atoms

from lamplighter.engine.reference import CalculatorEvaluator, Floats, open_reference
from lamplighter.errors import LamplighterError
from lamplighter.named_calculator import NamedCalculator, problem_of_name
from lamplighter.structures.labels import unknown_stress


class EnergyAndForces(CalculatorEvaluator):
    """A calculator that is not asked for stresses, which many do not have."""

    def _stress(self, atoms: Atoms) -> Floats:
        return unknown_stress()


def open_calculator(name: str, options: Sequence[str] = ()) -> CalculatorEvaluator:
    """A reference method by a name of its own (`gfn2`), or by module and class of its ASE calculator.

    Args:
        name: `gfn1`, `gfn2`, or `module:Class`.
        options: `key=value` for the class; values are Python literals, anything else is text.

    Raises:
        LamplighterError: the name or an option cannot be understood.
        EnvironmentProblem: tblite, which has the methods with names of their own, is not installed.
        ModelError: the module is not installed, has no such class, or the class refuses the options.
    """
    if ":" not in name:
        if options:
            raise LamplighterError(f"--option {options[0]}: options are for a reference named module:Class")
        return open_reference(name)
    if wrong := problem_of_name(name):
        raise LamplighterError(f"--reference {wrong}")
    named = NamedCalculator(name, dict(_option(each) for each in options))
    return EnergyAndForces(named.made(f"--reference {name}"), name)


def _option(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key.isidentifier():
        raise LamplighterError(f"--option {text!r} must be key=value, e.g. method=GFN2-xTB")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value
