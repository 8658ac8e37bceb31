"""An ASE calculator that tells a system from its mirror image."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.geometry import find_mic
from ase.stress import full_3x3_to_voigt_6_stress


class Chiral(Calculator):
    """E = k Σ a · (b × c), where a, b, c lead from each atom, through the nearest images, to the next three."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012, as ASE has it
    k = 0.01  # eV/Å³

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms
        order = np.argsort(structure.numbers)  # whatever order the atoms come in
        at = structure.positions[order]
        forces, virial, energy = np.zeros_like(at), np.zeros((3, 3)), 0.0
        for i in range(len(at) - 3):
            edges = find_mic(at[i + 1 : i + 4] - at[i], structure.cell, structure.pbc)[0]
            energy += self.k * np.linalg.det(edges)
            slopes = self.k * np.cross(edges[[1, 2, 0]], edges[[2, 0, 1]])
            forces[i + 1 : i + 4] -= slopes
            forces[i] += slopes.sum(axis=0)
            virial += edges.T @ slopes
        self.results = {"energy": energy, "forces": np.empty_like(forces)}
        self.results["forces"][order] = forces
        if structure.cell.rank == 3:
            stress = 0.5 * (virial + virial.T) / structure.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
