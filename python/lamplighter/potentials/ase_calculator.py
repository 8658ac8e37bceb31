"""Any ASE calculator, named by a file (`calculator_file`): all atoms at once, on one rank."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files import calculator_file, calculator_trust
from lamplighter.model_files.calculator_opening import open_named
from lamplighter.model_files.loading import read_program
from lamplighter.potentials.interface import LoadOptions, System, SystemPotential, SystemResult

_INSTEAD = {
    "energies": "each atom has an equal part of the energy",
    "stress": "the pressure is not a number, and what changes the box by the pressure is refused",
    "free_energy": "the energy stands for it",
}


class AseCalculator(SystemPotential):
    """An ASE calculator.

    The energy is the one that the forces belong to (`free_energy`, where the calculator tells it from `energy`).
    Without energies of atoms of its own, each atom has an equal part. What it declares and does not deliver falls back
    like what it does not declare. Source: ASE, the calculator interface.
    """

    kind: ClassVar[str] = "ase"
    runs_on_gpu: ClassVar[bool] = False

    #: Å; the calculator has its own, or none. Wide enough for what else asks for neighbours, such as bonds.
    cutoff = 5.0

    def __init__(self, calculator: Any, name: str) -> None:
        self.device = torch.device("cpu")
        self.dtype = torch.float64
        self.elements = chemical_symbols[1:]
        self._calculator = calculator
        self._name = name
        declared = getattr(calculator, "implemented_properties", None)
        # of a calculator that declares nothing it shows when it is asked
        self._declares = declared is not None
        self._gives = set(declared) if declared is not None else {"stress", "energies"}
        self.has_virial = "stress" in self._gives
        self._atoms = Atoms()

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return calculator_file.is_calculator_file(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> AseCalculator:
        named = calculator_file.read(path)
        content = read_program(path, calculator_trust.asks_for(named))
        named = calculator_file.parse(path, content)
        if options.dtype == "float32":
            raise ModelError(f"{path}: the precision of {named.name} is among its own options: leave out dtype float32")
        if options.head is not None:
            raise ModelError(f"{path}: the head of {named.name} is among its own options: leave out head")
        return cls(open_named(named, path), named.name)

    def compute(self, system: System) -> SystemResult:
        try:
            atoms = self._placed(system)
            return self._evaluated(atoms, system)
        except ModelError:
            raise
        except Exception as problem:
            raise ModelError(f"calculator {self._name}: {type(problem).__name__}: {problem}") from problem

    def _placed(self, system: System) -> Atoms:
        """The atoms where they are now; the same object as long as they are the same atoms."""
        atoms = self._atoms
        if atoms.calc is None or len(atoms) != len(system.numbers) or (atoms.numbers != system.numbers).any():
            atoms = Atoms(system.numbers, system.positions, cell=system.cell, pbc=system.periodic)
            atoms.calc = self._calculator  # which may look at them at once
            self._atoms = atoms
            return atoms
        atoms.set_cell(system.cell)
        atoms.set_pbc(system.periodic)
        atoms.set_positions(system.positions)
        return atoms

    def _evaluated(self, atoms: Atoms, system: System) -> SystemResult:
        n = len(atoms)
        # the stress first: many calculators then have the rest, and none computes twice
        stress = None
        if system.virial_wanted and system.periodic.any():
            stress = self._optional("stress", lambda: atoms.get_stress(voigt=False, apply_constraint=False), (3, 3))
        forces = self._required("forces", atoms.get_forces(apply_constraint=False), (n, 3))
        energy = free = self._optional("free_energy", lambda: atoms.get_potential_energy(force_consistent=True), ())
        if free is None or not np.isfinite(free):
            energy = self._required("energy", atoms.get_potential_energy(), ())
        assert energy is not None
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            # the pair style ends the run, or refuses the trial that this is of; the rest of it is no better
            return SystemResult(np.full(n, float(energy) / n), forces, np.zeros((3, 3)))
        self._finite("free_energy", free)
        stress = self._finite("stress", stress)
        virial = None if stress is None else -stress * atoms.get_volume()
        self.has_virial = "stress" in self._gives
        if not system.periodic.any():
            virial = system.positions.T @ forces
        energies = self._finite("energies", self._optional("energies", atoms.get_potential_energies, (n,)))
        energies = np.zeros(n) if energies is None else energies.copy()
        energies += (float(energy) - energies.sum()) / n
        return SystemResult(energies, forces, virial)

    def _required(self, what: str, given: Any, shape: tuple[int, ...]) -> np.ndarray:
        found = _as_array(given, shape)
        if found is None:
            raise ModelError(
                f"calculator {self._name} gives {what} that cannot be used: expected numbers of shape {shape}, "
                f"got {np.shape(given) or ''} {str(given)[:60]}"
            )
        return found

    def _optional(self, what: str, ask: Callable[[], Any], shape: tuple[int, ...]) -> np.ndarray | None:
        """What a calculator may have: asked for until it is not delivered, which is said once if it was declared."""
        if what not in self._gives:
            return None
        try:
            found = _as_array(ask(), shape)
        except (NotImplementedError, KeyError, AttributeError, AssertionError):
            found = None  # ASE's own words for what is not there, and those of calculators that are not ASE's
        if found is None:
            self._do_without(what)
        return found

    def _finite(self, what: str, found: np.ndarray | None) -> np.ndarray | None:
        """What comes with an energy and forces that are finite: other numbers stand for what there is not."""
        if found is None or np.isfinite(found).all():
            return found
        self._do_without(what)
        return None

    def _do_without(self, what: str) -> None:
        self._gives.discard(what)
        if self._declares:
            print(
                f"Note: calculator {self._name} declares {what!r} and does not give it: {_INSTEAD[what]}",
                file=sys.stderr,
            )


def _as_array(given: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Numbers of this shape, but for axes of length 1; None: it is something else."""
    if given is None:
        return None  # NumPy takes it for nan
    try:
        found = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        return None
    if found.size != int(np.prod(shape)):
        return None
    return found.reshape(shape)
