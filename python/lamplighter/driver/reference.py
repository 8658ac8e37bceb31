"""Reference methods that run here: energies, forces and stresses of frames by an ASE calculator."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.named_calculator import TBLITE_METHODS
from lamplighter.structures.labels import Labels, unknown_stress

Floats = NDArray[np.float64]


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
