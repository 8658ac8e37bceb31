"""A step of LAMMPS for models that take positions: from its arrays to `Cluster` or `System`, and back."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import torch

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS
from lamplighter.errors import ModelError
from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.exchange import ThroughPairStyle
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.overlap import OVERLAP, overlap
from lamplighter.potentials.interface import Cluster, ClusterPotential, System, SystemPotential

# LAMMPS' order of a symmetric tensor: xx yy zz xy xz yz


@dataclass
class ClusterSteps:
    """Steps of a model that takes a rank's atoms and ghosts.

    Attributes:
        potential: The model.
        number_of_type: Atomic number of each LAMMPS type, type 1 first.
        library, pair: The plugin, and the address of the pair style, for exchanges.
    """

    potential: ClusterPotential
    number_of_type: np.ndarray
    library: ctypes.CDLL
    pair: int

    def evaluate(self, step: Step) -> None:
        """Evaluate a step. Collective: parts of energies that lie on ghosts are sent home."""
        if step.rebuilt:
            self._types = _array(np.int32, step.type, step.nx).copy()
            self._list_i, self._list_j = (
                _array(np.int64, address, step.nlist).copy() for address in (step.list_i, step.list_j_x)
            )
            self._present = present_atoms(step)
        energies = np.zeros((step.nx, 1))
        if len(self._present):
            self._add_forces(step, energies)
        home = torch.from_numpy(energies)
        ThroughPairStyle(self.library, self.pair, step.nlocal, step.nx).reverse(home, home)
        energies = energies[: step.nlocal, 0]
        _array(np.float64, step.eatoms, step.nlocal)[:] = energies
        step.energy = float(energies.sum())

    def _add_forces(self, step: Step, energies: np.ndarray) -> None:
        x = _array(np.float64, step.x, step.nx, 3)
        seen = np.concatenate((self._present, self._ghosts_within_cutoff(x, step.nlocal)))
        cluster = Cluster(
            nlocal=len(self._present),
            numbers=self.number_of_type[self._types[seen] - 1],
            positions=x[seen],
            virials_wanted=bool(step.peratom),
        )
        result = self.potential.compute(cluster)
        energies[seen, 0] = result.energies
        _array(np.float64, step.f, step.nx, 3)[seen] += result.forces
        if step.virial_wanted:
            virial = cluster.positions.T @ result.forces
            _array(np.float64, step.virial, 6)[:] += _six(virial)
        if step.peratom:
            if result.virials is None:
                raise _no_virials_of_atoms(self.potential.kind)
            _array(np.float64, step.vatom, step.nx, 6)[seen] += _six(result.virials)

    def _ghosts_within_cutoff(self, x: np.ndarray, nlocal: int) -> np.ndarray:
        """Rows of the ghosts that are closer than the cutoff to an atom; the list reaches a skin farther."""
        square = ((x[self._list_j] - x[self._list_i]) ** 2).sum(axis=1)
        if len(square) and square.min() < OVERLAP**2:
            raise overlap(float(np.sqrt(square.min())))
        near = np.unique(self._list_j[square < self.potential.cutoff**2])
        return near[near >= nlocal]


@dataclass
class SystemSteps:
    """Steps of a model that takes all atoms and the cell. Attributes as of `ClusterSteps`."""

    potential: SystemPotential
    number_of_type: np.ndarray

    def evaluate(self, step: Step) -> None:
        """Evaluate a step."""
        present = present_atoms(step)
        if not len(present):
            return
        order = present[np.argsort(_array(np.int64, step.tag, step.nlocal)[present], kind="stable")]
        types = _array(np.int32, step.type, step.nlocal)
        x = _array(np.float64, step.x, step.nlocal, 3)
        system = System(
            numbers=self.number_of_type[types[order] - 1],
            positions=x[order],
            cell=np.array(step.cell).reshape(3, 3),
            periodic=np.array(step.periodic, dtype=bool),
            virial_wanted=bool(step.virial_wanted),
        )
        if step.peratom:
            raise _no_virials_of_atoms(self.potential.kind)
        result = self.potential.compute(system)
        _array(np.float64, step.f, step.nlocal, 3)[order] += result.forces
        _array(np.float64, step.eatoms, step.nlocal)[order] = result.energies
        step.energy = float(result.energies.sum())
        if step.virial_wanted:
            _array(np.float64, step.virial, 6)[:] += np.nan if result.virial is None else _six(result.virial)


def present_atoms(step: Step) -> np.ndarray:
    """Rows of a rank's atoms without those that are excluded from all others, (n,) int64."""
    if not step.absent:
        return np.arange(step.nlocal)
    return np.flatnonzero(_array(np.int32, step.absent, step.nlocal) == 0)


def _no_virials_of_atoms(kind: str) -> ModelError:
    return ModelError(
        f"models of kind {kind} have no virial of single atoms: leave out `compute stress/atom` and what else needs it"
    )


def _six(tensor: np.ndarray) -> np.ndarray:
    """The symmetric part of tensors (…, 3, 3), in LAMMPS' order."""
    symmetric = 0.5 * (tensor + np.swapaxes(tensor, -1, -2))
    return symmetric[..., TENSOR_ROWS, TENSOR_COLUMNS]


def _array(dtype: type, address: int | None, rows: int, columns: int = 1) -> np.ndarray:
    """An array of LAMMPS, (rows,) or (rows, columns)."""
    array: np.ndarray = ArrayView(dtype, columns)(address, rows, rows).numpy()
    return array
