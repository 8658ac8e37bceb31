"""A step of LAMMPS for models that take pairs: from its arrays to `PairData`, and back."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch

from lamplighter.errors import ModelError
from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.device_exchange import BetweenDevices, find_plan, takes_memory_of
from lamplighter.potentials.bridge.exchange import ExchangeCall, OneRank, Recording, ThroughPairStyle
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.recorded_step import DeviceSteps
from lamplighter.potentials.bridge.replay import recorder
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
        comm: Of mpi4py, whose ranks are those of LAMMPS, for exchanges between devices; None: the pair style makes
            these, too.
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
        comm: Any = None,
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
        self._elems = self._elems_here = torch.empty(0, dtype=torch.int64)
        self._types = ArrayView(np.int32)
        self._pair_i = ArrayView(np.int64)
        self._pair_j = ArrayView(np.int64)
        self._rij = ArrayView(np.float64, 3)
        self._fij = ArrayView(np.float64, 3)
        self._eatoms = ArrayView(np.float64)
        self._comm = None if host_pairs else comm
        self._between: BetweenDevices | None = None
        self._on_device = DeviceSteps(
            potential, nranks, exchanges=bool(self._schedule), recorder=recorder(potential.device)
        )

    def evaluate(self, step: Step) -> None:
        """Evaluate a step. Collective, where the model makes exchanges."""
        exchange: Exchange = OneRank()
        if self._nranks > 1:
            exchange = self._exchange(step)
            if step.nlocal == 0:
                step.energy = 0.0
                return
        elif step.nlocal == 0:
            return

        if step.rebuilt:
            types = self._types(step.type, step.ntotal, step.ntotal)
            self._elems_here = self._element_of_type[types.to(torch.int64) - 1]
            self._elems = self._elems_here.to(self._potential.device)
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
            given = self._on_device.evaluate(step, self._elems, self._elems_here, exchange, self._topology)
            if given is not None:
                self._hand_over_extrapolation(step, given)

    def _exchange(self, step: Step) -> Exchange:
        """That of a step; a rank without atoms has taken its part in it then."""
        through = ThroughPairStyle(self._library, self._pair, step.nlocal, step.ntotal)
        if self._comm is None:
            if step.nlocal == 0:
                through.replay(self._schedule)
            return through
        if not self._schedule:
            return through  # nothing will travel
        if step.rebuilt or self._between is None:
            device = self._potential.device
            plan = find_plan(through, self._comm, step.nlocal, step.ntotal, device)
            self._between = BetweenDevices(self._comm, plan, device, takes_memory_of(device))
        return self._between

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
