"""A step of LAMMPS for models that take pairs: from its arrays to `PairData`, and back."""

from __future__ import annotations

import ctypes

import numpy as np
import torch

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS
from lamplighter.errors import ModelError
from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.exchange import ExchangeCall, OneRank, Recording, ThroughPairStyle
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.overlap import OVERLAP, overlap
from lamplighter.potentials.interface import Exchange, PairData, PairPotential
from lamplighter.potentials.own_uncertainty import OwnUncertainty


class PairSteps:
    """Steps of a model that takes pairs.

    Args:
        potential: The model.
        elements: Symbol of each LAMMPS type, type 1 first.
        library: The plugin.
        pair: Address of the pair style, for exchanges.
        nranks: Number of ranks.
        host_pairs: Pairs within the cutoff come from LAMMPS; else they are found where the model runs.
        own: How uncertain the model is of atoms; None: it is not asked.
    """

    def __init__(
        self,
        potential: PairPotential,
        elements: tuple[str, ...],
        library: ctypes.CDLL,
        pair: int,
        nranks: int,
        host_pairs: bool,
        own: OwnUncertainty | None = None,
    ) -> None:
        self._potential = potential
        self._library = library
        self._pair = pair
        self._nranks = nranks
        self._host_pairs = host_pairs
        self._own = own
        self._element_of_type = torch.tensor([potential.element_index(symbol) for symbol in elements])
        self._schedule = _exchange_schedule(potential, elements[0])
        self._topology = 0
        self._elems = torch.empty(0, dtype=torch.int64)
        self._types = ArrayView(np.int32)
        self._pair_i = ArrayView(np.int64)
        self._pair_j = ArrayView(np.int64)
        self._rij = ArrayView(np.float64, 3)
        self._fij = ArrayView(np.float64, 3)
        self._eatoms = ArrayView(np.float64)
        self._list_on_device: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def evaluate(self, step: Step) -> None:
        """Evaluate a step. Collective, where the model makes exchanges."""
        exchange: Exchange = OneRank()
        if self._nranks > 1:
            through = ThroughPairStyle(self._library, self._pair, step.nlocal, step.ntotal)
            if step.nlocal == 0:
                through.replay(self._schedule)
                step.energy = 0.0
                return
            exchange = through
        elif step.nlocal == 0:
            return

        if step.rebuilt:
            types = self._types(step.type, step.ntotal, step.ntotal)
            self._elems = self._element_of_type[types.to(torch.int64) - 1].to(self._potential.device)
            self._topology += 1

        if self._host_pairs:
            data = PairData(
                nlocal=step.nlocal,
                ntotal=step.ntotal,
                elems=self._elems,
                pair_i=self._pair_i(step.pair_i, step.npairs, step.pair_capacity),
                pair_j=self._pair_j(step.pair_j, step.npairs, step.pair_capacity),
                rij=self._rij(step.rij, step.npairs, step.pair_capacity),
                eatoms=self._eatoms(step.eatoms, step.nlocal, step.atom_capacity),
                pair_forces=self._fij(step.fij, step.npairs, step.pair_capacity),
                exchange=exchange,
                topology=self._topology,
                inputs_wanted=bool(step.extrapolation),
            )
            self._potential.compute(data)
            step.energy = data.energy
            self._hand_over_extrapolation(step, data)
        else:
            self._evaluate_on_device(step, exchange)

    def _evaluate_on_device(self, step: Step, exchange: Exchange) -> None:
        """Pairs are kept where the model runs: per step only positions go down, forces and virial come up."""
        potential, device = self._potential, self._potential.device
        if step.rebuilt or self._list_on_device is None:
            self._list_on_device = tuple(
                ArrayView(np.int64)(address, step.nlist, step.nlist).to(device, copy=True)
                for address in (step.list_i, step.list_j, step.list_j_x)
            )
        assert self._list_on_device is not None
        list_i, list_j, list_j_x = self._list_on_device
        x_host = ArrayView(np.float64, 3)(step.x, step.nx, step.nx)
        x = x_host.to(device)
        rij = x[list_j_x] - x[list_i]
        distance = torch.linalg.vector_norm(rij, dim=1)
        near = torch.nonzero(distance < potential.cutoff).squeeze(1)
        i, j, j_x, rij = list_i[near], list_j[near], list_j_x[near], rij[near]
        if len(near) and float(distance[near].min()) < OVERLAP:
            raise overlap(float(distance[near].min()))
        data = PairData(
            nlocal=step.nlocal,
            ntotal=step.ntotal,
            elems=self._elems,
            pair_i=i,
            pair_j=j,
            rij=rij,
            eatoms=torch.zeros(step.nlocal, dtype=torch.float64, device=device),
            pair_forces=torch.zeros(len(near), 3, dtype=torch.float64, device=device),
            exchange=exchange,
            topology=self._topology,
            inputs_wanted=bool(step.extrapolation),
        )
        potential.compute(data)
        self._hand_over_extrapolation(step, data)

        # a folded ghost's force is its atom's; on several ranks LAMMPS sends it home (newton on)
        receiver = j if self._nranks == 1 else j_x
        rij = rij.detach()
        forces = torch.zeros_like(x)
        forces.index_add_(0, i, data.pair_forces)
        forces.index_add_(0, receiver, -data.pair_forces)
        ArrayView(np.float64, 3)(step.f, step.nx, step.nx).add_(forces.to("cpu"))
        self._eatoms(step.eatoms, step.nlocal, step.atom_capacity).copy_(data.eatoms)
        step.energy = data.energy
        if step.virial_wanted:
            outer = -rij[:, :, None] * data.pair_forces[:, None, :]
            outer = 0.5 * (outer + outer.transpose(1, 2))
            pair_virial = outer[:, TENSOR_ROWS, TENSOR_COLUMNS]
            ArrayView(np.float64)(step.virial, 6, 6).add_(pair_virial.sum(dim=0).to("cpu"))
            if step.peratom:
                vatom = torch.zeros(step.nx, 6, dtype=torch.float64, device=device)
                vatom.index_add_(0, i, 0.5 * pair_virial)
                vatom.index_add_(0, receiver, 0.5 * pair_virial)
                ArrayView(np.float64, 6)(step.vatom, step.nx, step.nx).add_(vatom.to("cpu"))

    def _hand_over_extrapolation(self, step: Step, data: PairData) -> None:
        if self._own is None or not step.extrapolation:
            return
        if data.readout_inputs is None:
            raise ModelError(
                "the potential says that it gives what its last layers see (n_inputs), and left "
                "PairData.readout_inputs as it was where data.inputs_wanted was true"
            )
        types = ArrayView(np.int32)(step.type, step.nlocal, step.nlocal)
        found = self._own.of(data.readout_inputs, types)
        ArrayView(np.float64)(step.extrapolation, step.nlocal, step.nlocal).copy_(found)


def _exchange_schedule(potential: PairPotential, symbol: str) -> list[ExchangeCall]:
    """The exchanges of one evaluation, read off a dimer; ranks without atoms replay them."""
    device = potential.device
    recording = Recording()
    rij = torch.zeros(2, 3, dtype=torch.float64, device=device)
    rij[0, 0], rij[1, 0] = 0.5 * potential.cutoff, -0.5 * potential.cutoff
    pair_i = torch.tensor([0, 1], device=device)
    dimer = PairData(
        nlocal=2,
        ntotal=2,
        elems=torch.full((2,), potential.element_index(symbol), device=device),
        pair_i=pair_i,
        pair_j=1 - pair_i,
        rij=rij,
        eatoms=torch.zeros(2, dtype=torch.float64, device=device),
        pair_forces=torch.zeros(2, 3, dtype=torch.float64, device=device),
        exchange=recording,
    )
    potential.compute(dimer)
    return recording.calls
