"""Methods that are ASE calculators, known by their name: tblite's `gfn1` and `gfn2`, or any `module:Class`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.data import chemical_symbols

from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.labelling.electrons import electrons_of
from lamplighter.labelling.method import WithoutClosing
from lamplighter.model_files.calculator_opening import open_named
from lamplighter.named_calculator import TBLITE_METHODS, NamedCalculator
from lamplighter.structures.labels import Labels, unknown_stress

if TYPE_CHECKING:
    from lamplighter.driver.evaluation import Evaluator, OpenEvaluator

_LAST_OF_XTB = 86  # radon, in GFN1-xTB and GFN2-xTB


class CalculatorEvaluator(WithoutClosing):
    """An ASE calculator that answers for frames as `evaluation.FrameEvaluator` does.

    Args:
        calculator: Any of ASE's; it must know energies and forces. Where it knows a free energy, that is the energy:
            forces are its derivative.
        name: For messages.
        has_electrons: Whether it takes the charge and multiplicity of each frame, by `set`.
    """

    def __init__(self, calculator: Any, name: str, has_electrons: bool = False) -> None:
        self.name = name
        self._calculator = calculator
        self._has_electrons = has_electrons

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and, of a frame that is periodic in all directions, stress where it is known.

        Raises:
            StructureError: charge and multiplicity of the frame do not go together.
            LamplighterError: the calculator fails; its words are in the message.
        """
        copy = atoms.copy()
        if self._has_electrons:
            electrons = electrons_of(copy)
            self._calculator.set(charge=electrons.charge, multiplicity=electrons.multiplicity)
        copy.calc = self._calculator
        try:
            energy, forces = float(copy.get_potential_energy()), copy.get_forces(apply_constraint=False)
            free = getattr(self._calculator, "results", {}).get("free_energy")
            stress = unknown_stress()
            if all(copy.pbc):
                stress = self._stress(copy)
        except Exception as problem:  # calculators raise whatever they stumble over
            raise LamplighterError(
                f"{self.name} fails for {atoms.get_chemical_formula()} ({type(problem).__name__}: {problem})"
            ) from problem
        return Labels(energy if free is None else float(free), forces, stress)

    def __enter__(self) -> Evaluator:
        return self

    def _stress(self, atoms: Atoms) -> Any:
        if "stress" not in getattr(self._calculator, "implemented_properties", ["stress"]):
            return unknown_stress()
        try:
            return atoms.get_stress(voigt=False, apply_constraint=False)
        except (PropertyNotImplementedError, NotImplementedError):
            return unknown_stress()


@dataclass(frozen=True)
class XtbMethod:
    """GFN1-xTB or GFN2-xTB of tblite.

    Attributes:
        name: `gfn1` or `gfn2`.
        asked: What named it, for messages.
    """

    name: str
    asked: str = "--method"
    has_electrons: bool = True
    has_own_threads: bool = False

    def require_possible(self, trust: bool = False) -> None:
        """Refuse it where tblite is not installed. Raises EnvironmentProblem."""
        if importlib.util.find_spec("tblite") is None:
            raise self._missing("no module named tblite")

    def refusal(self, atoms: Atoms) -> str:
        """Elements without parameters."""
        heavy = sorted({int(number) for number in atoms.numbers if number > _LAST_OF_XTB or number < 1})
        if not heavy:
            return ""
        symbols = " ".join(chemical_symbols[number] for number in heavy)
        return f"the frame holds {symbols}, and {TBLITE_METHODS[self.name]} has parameters of H to Rn"

    def open(self, elements: Sequence[str], threads: int | None = None, folder: Path | None = None) -> OpenEvaluator:
        """tblite's calculator. Raises EnvironmentProblem: tblite cannot be imported."""
        try:
            from tblite.ase import TBLite
        except ImportError as problem:
            raise self._missing(str(problem)) from problem
        return CalculatorEvaluator(TBLite(method=TBLITE_METHODS[self.name], verbosity=0), self.name, True)

    def workers(self, cores: int) -> int:
        """One a core: small molecules gain little from threads."""
        return cores

    def provenance(self) -> dict[str, Any]:
        """The Hamiltonian, and the version of tblite."""
        return {
            "method": self.name,
            "description": TBLITE_METHODS[self.name],
            "versions": versions_of("tblite"),
        }

    def _missing(self, why: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"{self.asked} {self.name} needs tblite: pip install tblite, or pip install 'lamplighter[example]' ({why})"
        )


@dataclass(frozen=True)
class CalculatorMethod:
    """An ASE calculator by its module and class.

    Attributes:
        name: `module:Class`.
        options: What it is called with.
        asked: What named it, for messages.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: str = "--method"
    has_electrons: bool = False
    has_own_threads: bool = False

    def require_possible(self, trust: bool = False) -> None:
        """The calculator can be made of these options. Raises ModelError."""
        self._made()

    def refusal(self, atoms: Atoms) -> str:
        """Nothing is known of a calculator before it is asked."""
        return ""

    def open(self, elements: Sequence[str], threads: int | None = None, folder: Path | None = None) -> OpenEvaluator:
        """The calculator. Raises ModelError: it cannot be made."""
        return CalculatorEvaluator(self._made(), self.name)

    def workers(self, cores: int) -> int:
        """One a core."""
        return cores

    def provenance(self) -> dict[str, Any]:
        """Its options, and the version of the package that has it."""
        return {
            "method": self.name,
            "description": "ASE calculator",
            "options": dict(self.options),
            "versions": versions_of(self.name.partition(":")[0].partition(".")[0]),
        }

    def _made(self) -> Any:
        return open_named(NamedCalculator(self.name, dict(self.options)), f"{self.asked} {self.name}")


def versions_of(module: str) -> dict[str, str]:
    """Versions of the distributions that have a module, and of ASE."""
    found = {}
    for name in importlib.metadata.packages_distributions().get(module, []):
        found[name] = importlib.metadata.version(name)
    return found | {"ase": str(ase.__version__)}
