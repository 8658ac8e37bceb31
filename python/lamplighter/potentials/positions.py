"""Models that take positions, not pairs: what they are given at each step, and what they give.

`ClusterPotential`: positions of a rank's atoms and ghosts; the energies of its atoms and their exact derivative, so
that any number of ranks works. `SystemPotential`: all atoms and the cell; one rank.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from lamplighter.potentials.interface import AnyPotential


@dataclass(frozen=True)
class Cluster:
    """A rank's atoms and the ghosts within the cutoff of them, as atoms in vacuum; images are ghosts like any other.

    Attributes:
        nlocal: How many atoms are the rank's own; they come first. At least 1.
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        virials_wanted: Whether virials of atoms are asked for.
    """

    nlocal: int
    numbers: np.ndarray
    positions: np.ndarray
    virials_wanted: bool


@dataclass(frozen=True)
class ClusterResult:
    """The energies of a rank's own atoms, E = Σ energies, and its derivatives.

    Attributes:
        energies: (n,) eV; a part on a ghost is sent to the atom that it is an image of.
        forces: (n, 3) eV/Å, −dE/dx on atoms and ghosts.
        virials: (n, 3, 3) eV, whose sum is Σ x ⊗ F; None where they cannot be had.
    """

    energies: np.ndarray
    forces: np.ndarray
    virials: np.ndarray | None = None


class ClusterPotential(AnyPotential):
    """A model whose energies of atoms depend on what is within its cutoff, evaluated from positions."""

    @abstractmethod
    def compute(self, cluster: Cluster) -> ClusterResult:
        """Evaluate one configuration. It makes no exchange, and is not called where a rank has no atoms."""


@dataclass(frozen=True)
class System:
    """All atoms, in the order of their LAMMPS ids, and the cell, in LAMMPS' frame of reference.

    Attributes:
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        cell: (3, 3) Å, rows are the cell vectors; of no meaning along those that are not periodic.
        periodic: (3,) bool.
        virial_wanted: Whether the virial is asked for.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray
    virial_wanted: bool


@dataclass(frozen=True)
class SystemResult:
    """What the atoms have.

    Attributes:
        energies: (n,) eV, whose sum is the energy.
        forces: (n, 3) eV/Å.
        virial: (3, 3) eV, −V σ; None where the model has none.
    """

    energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray | None = None


class SystemPotential(AnyPotential):
    """A model of all atoms at once. Its `cutoff` is nominal: LAMMPS wants one for its neighbour list."""

    #: Whether it has a virial for any cell and periodicity.
    has_virial: bool

    @abstractmethod
    def compute(self, system: System) -> SystemResult:
        """Evaluate one configuration."""
