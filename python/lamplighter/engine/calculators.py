"""Reference methods by the name of their ASE calculator: `tblite.ase:TBLite` with its options."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ase import Atoms

from lamplighter.engine.reference import CalculatorEvaluator, Floats, open_reference
from lamplighter.errors import EnvironmentProblem, LamplighterError
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
        LamplighterError: the name is not known, or the class refuses the options.
        EnvironmentProblem: the module is not installed, or has no such class.
    """
    if ":" not in name:
        if options:
            raise LamplighterError(f"{asked} {name} takes no options: they are for a reference named module:Class")
        return open_reference(name, asked)
    module, _, kind = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), kind)
    except ImportError as problem:
        raise EnvironmentProblem(f"{asked} {name}: {module} cannot be imported ({problem}); install it") from problem
    except AttributeError:
        raise EnvironmentProblem(f"{asked} {name}: {module} has no {kind}") from None
    words = dict(options or {})
    try:
        return EnergyAndForces(made(**words), name)
    except Exception as problem:  # whatever its constructor stumbles over
        raise LamplighterError(
            f"{asked} {name} refuses its options {words} ({type(problem).__name__}: {problem})"
        ) from problem
