"""Reference methods: energies, forces and stresses of frames by an ASE calculator, which is known by its name.

A name is one of tblite's methods (`gfn2`), or the calculator's module and class (`tblite.ase:TBLite`) with its options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms

from lamplighter.arrays import Floats
from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.model_files.calculator_opening import open_named
from lamplighter.named_calculator import TBLITE_METHODS, NamedCalculator, problem_of_name
from lamplighter.structures.labels import Labels, unknown_stress


class CalculatorEvaluator:
    """An ASE calculator that answers for frames as `evaluation.FrameEvaluator` does.

    Args:
        calculator: Any of ASE's; it must know energies and forces, and of periodic frames stresses.
        name: For messages.
    """

    def __init__(self, calculator: Any, name: str) -> None:
        self.name = name
        self._calculator = calculator

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and, of a frame that is periodic in all directions, stress.

        Raises:
            LamplighterError: the calculator fails; its words are in the message.
        """
        copy = atoms.copy()
        copy.calc = self._calculator
        try:
            energy, forces = float(copy.get_potential_energy()), copy.get_forces(apply_constraint=False)
            stress = self._stress(copy) if all(copy.pbc) else unknown_stress()
        except Exception as problem:  # calculators raise whatever they stumble over
            raise LamplighterError(
                f"{self.name} fails for {atoms.get_chemical_formula()} ({type(problem).__name__}: {problem})"
            ) from problem
        return Labels(energy, forces, stress)

    def _stress(self, atoms: Atoms) -> Floats:
        return atoms.get_stress(voigt=False, apply_constraint=False)


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
    return EnergyAndForces(open_named(NamedCalculator(name, dict(options or {})), f"{asked} {name}"), name)


def open_reference(method: str, asked: str = "--reference") -> CalculatorEvaluator:
    """A reference method by its name.

    Args:
        method: `gfn1` or `gfn2`: GFN1-xTB or GFN2-xTB of tblite.
        asked: What named it, for messages.

    Raises:
        LamplighterError: the name is not known.
        EnvironmentProblem: tblite is not installed.
    """
    if method not in TBLITE_METHODS:
        raise LamplighterError(f"{asked} must be one of {', '.join(TBLITE_METHODS)}, got {method!r}")
    try:
        from tblite.ase import TBLite
    except ImportError as problem:
        raise EnvironmentProblem(f"{asked} {method} needs tblite: pip install tblite ({problem})") from problem
    return CalculatorEvaluator(TBLite(method=TBLITE_METHODS[method], verbosity=0), method)
