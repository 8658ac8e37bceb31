"""Any ASE calculator, named by a file (`calculator_file`): all atoms at once, on one rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.potentials import calculator_file, calculator_trust
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.loading import read_program
from lamplighter.potentials.positions import System, SystemPotential, SystemResult


class AseCalculator(SystemPotential):
    """An ASE calculator.

    The energy is the one that the forces belong to (`free_energy`, where the calculator tells it from `energy`).
    Without energies of atoms of its own, each atom has an equal part. Source: ASE, the calculator interface.
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
        self._gives = set(getattr(calculator, "implemented_properties", ()))
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
        return cls(named.made(path), named.name)

    def compute(self, system: System) -> SystemResult:
        if len(self._atoms) != len(system.numbers) or (self._atoms.numbers != system.numbers).any():
            self._atoms = Atoms(system.numbers, calculator=self._calculator)
        atoms = self._atoms
        atoms.set_cell(system.cell)
        atoms.set_pbc(system.periodic)
        atoms.set_positions(system.positions)
        try:
            return self._evaluated(atoms, system)
        except Exception as problem:
            raise ModelError(f"calculator {self._name}: {type(problem).__name__}: {problem}") from problem

    def _evaluated(self, atoms: Atoms, system: System) -> SystemResult:
        # the stress first: many calculators then have the rest, and none computes twice
        virial = None
        if system.virial_wanted and system.periodic.any() and self.has_virial:
            virial = -atoms.get_stress(voigt=False, apply_constraint=False) * atoms.get_volume()
        forces = atoms.get_forces(apply_constraint=False)
        energy = float(atoms.get_potential_energy(force_consistent="free_energy" in self._gives))
        if not system.periodic.any():
            virial = system.positions.T @ forces
        energies = np.zeros(len(atoms))
        if "energies" in self._gives:
            energies = np.array(atoms.get_potential_energies(), dtype=float)
        energies += (energy - energies.sum()) / len(atoms)
        return SystemResult(energies, np.asarray(forces, dtype=float), virial)
