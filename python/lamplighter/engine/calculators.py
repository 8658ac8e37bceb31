"""Reference methods by the name of their ASE calculator: `tblite.ase:TBLite` with its options."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Sequence
from typing import Any

from ase import Atoms

from lamplighter.engine.reference import CalculatorEvaluator, Floats, open_reference
from lamplighter.errors import EnvironmentProblem, LamplighterError
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
        LamplighterError: the name or an option cannot be understood, or the class refuses the options.
        EnvironmentProblem: the module is not installed, or has no such class.
    """
    if ":" not in name:
        if options:
            raise LamplighterError(f"--option {options[0]}: options are for a reference named module:Class")
        return open_reference(name)
    module, _, kind = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), kind)
    except ImportError as problem:
        raise EnvironmentProblem(
            f"--reference {name}: {module} cannot be imported ({problem}); install it"
        ) from problem
    except AttributeError:
        raise EnvironmentProblem(f"--reference {name}: {module} has no {kind}") from None
    words = dict(_option(each) for each in options)
    try:
        return EnergyAndForces(made(**words), name)
    except Exception as problem:  # whatever its constructor stumbles over
        raise LamplighterError(
            f"--reference {name} refuses its options {words} ({type(problem).__name__}: {problem})"
        ) from problem


def _option(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key.isidentifier():
        raise LamplighterError(f"--option {text!r} must be key=value, e.g. method=GFN2-xTB")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value
