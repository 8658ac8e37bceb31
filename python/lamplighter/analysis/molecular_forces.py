"""Forces on the atoms of molecules split into the parts that move, turn and deform each molecule.

For a molecule of mass M with centre R, total force F = Σ f_i and torque T = Σ (r_i − R) × f_i about the centre:

    translational  f_i = (m_i / M) F
    rotational     f_i = m_i (I⁻¹ T) × (r_i − R),   I = Σ m_i (|d_i|² 1 − d_i d_iᵀ),  d_i = r_i − R
    vibrational    what is left: no net force, no torque

The first two are the forces of rigid-body accelerations, so the parts are orthogonal in the mass-weighted scalar
product Σ a_i·b_i / m_i: the sum of f²/m over a molecule is the sum over its parts. Of a linear molecule or an atom, I
has no inverse along the axis, along which there is no torque either; the pseudo-inverse is taken.

Source: I. B. Magdău et al., npj Comput. Mater. 9, 146 (2023) use such parts to judge potentials of molecular liquids;
the formulas are those of rigid-body mechanics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import Floats, Integers

LINEAR = 1e-8
"""A principal moment of inertia below this fraction of the largest counts as zero."""


@dataclass(frozen=True)
class MolecularForces:
    """Parts of the forces, each of shape (n_atoms, 3) in the unit of the forces; they sum to the forces."""

    translational: Floats
    rotational: Floats
    vibrational: Floats

    def parts(self) -> dict[str, Floats]:
        """By name."""
        return {
            "translational": self.translational,
            "rotational": self.rotational,
            "vibrational": self.vibrational,
        }


def molecular_forces(forces: Floats, positions: Floats, masses: Floats, of_atom: Integers) -> MolecularForces:
    """Split forces by molecule.

    Args:
        forces: Any unit, shape (n, 3).
        positions: Å, shape (n, 3), molecules whole (`whole_molecules`).
        masses: Any unit, shape (n,), all > 0.
        of_atom: Molecule of each atom, from 0 without gaps, shape (n,).
    """
    n_molecules = int(of_atom.max()) + 1 if len(of_atom) else 0

    def summed(values: Floats) -> Floats:
        total = np.zeros((n_molecules, *values.shape[1:]))
        np.add.at(total, of_atom, values)
        return total

    mass = summed(masses)
    centre = summed(masses[:, None] * positions) / mass[:, None]
    arm = positions - centre[of_atom]
    translational = (masses / mass[of_atom])[:, None] * summed(forces)[of_atom]
    torque = summed(np.cross(arm, forces))
    square = (arm**2).sum(axis=1)
    inertia = summed(masses[:, None, None] * (square[:, None, None] * np.eye(3) - arm[:, :, None] * arm[:, None, :]))
    turning = np.einsum("mab,mb->ma", _pseudo_inverse(inertia), torque)
    rotational = masses[:, None] * np.cross(turning[of_atom], arm)
    return MolecularForces(translational, rotational, forces - translational - rotational)


def _pseudo_inverse(inertia: Floats) -> Floats:
    moments, axes = np.linalg.eigh(inertia)
    largest = moments.max(axis=1, keepdims=True, initial=0.0)
    usable = moments > np.maximum(LINEAR * largest, 1e-300)
    inverse = np.where(usable, 1.0 / np.where(usable, moments, 1.0), 0.0)
    return np.asarray(np.einsum("mak,mk,mbk->mab", axes, inverse, axes))
