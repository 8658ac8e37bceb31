"""Steps whose pairs are found where the model runs: positions go there, forces, energies and the virial come back."""

from __future__ import annotations

import numpy as np
import torch

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS
from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.device_result import DeviceResult
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.overlap import OVERLAP, overlap
from lamplighter.potentials.bridge.staging import Download, Upload
from lamplighter.potentials.interface import Exchange, PairData, PairPotential


class PairsOnDevice:
    """The list stays on the device until it is made anew.

    Args:
        potential: The model.
        nranks: Number of ranks.
    """

    def __init__(self, potential: PairPotential, nranks: int) -> None:
        self._potential = potential
        self._nranks = nranks
        device = potential.device
        self._positions = Upload(device, torch.float64, columns=3)
        self._uploads = [Upload(device, torch.int64) for _ in range(3)]
        self._download = Download(device)
        self._list: list[torch.Tensor] | None = None

    def list_is_new(self) -> None:
        """The list of LAMMPS is another from now on."""
        self._list = None

    def evaluate(
        self, step: Step, elems: torch.Tensor, exchange: Exchange, topology: int
    ) -> tuple[PairData, DeviceResult]:
        """Evaluate a step; arguments as of `PairData`."""
        potential, device = self._potential, self._potential.device
        if self._list is None:
            addresses = (step.list_i, step.list_j, step.list_j_x)
            rows = [ArrayView(np.int64)(address, step.nlist, step.nlist) for address in addresses]
            self._list = [upload(each) for upload, each in zip(self._uploads, rows, strict=True)]
        list_i, list_j, list_j_x = self._list
        x = self._positions(ArrayView(np.float64, 3)(step.x, step.nx, step.nx))
        rij = x[list_j_x] - x[list_i]
        distance = torch.linalg.vector_norm(rij, dim=1)
        near = torch.nonzero(distance < potential.cutoff).squeeze(1)
        i, j, j_x, rij = list_i[near], list_j[near], list_j_x[near], rij[near]
        if len(near) and float(distance[near].min()) < OVERLAP:
            raise overlap(float(distance[near].min()))
        data = PairData(
            nlocal=step.nlocal,
            ntotal=step.ntotal,
            elems=elems,
            pair_i=i,
            pair_j=j,
            rij=rij,
            eatoms=torch.zeros(step.nlocal, dtype=torch.float64, device=device),
            pair_forces=torch.zeros(len(near), 3, dtype=torch.float64, device=device),
            exchange=exchange,
            topology=topology,
            inputs_wanted=bool(step.extrapolation),
        )
        potential.compute(data)

        # a folded ghost's force is its atom's; on several ranks LAMMPS sends it home (newton on)
        receiver = j if self._nranks == 1 else j_x
        rij = rij.detach()
        forces = torch.zeros_like(x)
        forces.index_add_(0, i, data.pair_forces)
        forces.index_add_(0, receiver, -data.pair_forces)
        parts = [forces, data.eatoms]
        if step.virial_wanted:
            outer = -rij[:, :, None] * data.pair_forces[:, None, :]
            outer = 0.5 * (outer + outer.transpose(1, 2))
            pair_virial = outer[:, TENSOR_ROWS, TENSOR_COLUMNS]
            parts.append(pair_virial.sum(dim=0))
            if step.peratom:
                vatom = torch.zeros(step.nx, 6, dtype=torch.float64, device=device)
                vatom.index_add_(0, i, 0.5 * pair_virial)
                vatom.index_add_(0, receiver, 0.5 * pair_virial)
                parts.append(vatom)
        forces, energies, *virials = self._download(parts)
        virial, of_atoms = [*virials, None, None][:2]
        return data, DeviceResult(forces, energies, virial, of_atoms)
