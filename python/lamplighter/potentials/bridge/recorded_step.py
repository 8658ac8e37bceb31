"""Steps on a device: recorded ones, as far as they give what others give."""

from __future__ import annotations

import sys

import torch

from lamplighter.potentials.bridge.device_exchange import BetweenDevices
from lamplighter.potentials.bridge.device_result import DeviceResult, difference
from lamplighter.potentials.bridge.device_step import PairsOnDevice
from lamplighter.potentials.bridge.exchange import OneRank
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.rehearsal import Rehearsal, Remembered
from lamplighter.potentials.bridge.replay import SWITCH, Recorder, Recording, record
from lamplighter.potentials.bridge.static_step import Calculated, Sizes, StaticStep, TooFewPlacesError
from lamplighter.potentials.interface import Exchange, PairData, PairPotential

_CHECKS, _LISTS = 3, 2
"""Evaluations that are carried out both ways with arrays of new sizes, and new lists at which one more is."""


class DeviceSteps:
    """Steps of a model that finds its pairs itself.

    An evaluation is carried out as it comes, and recorded in arrays whose shapes stay; the next are carried out both
    ways, and only a recording that gave the same each time is used from then on. It is compared again when lists are
    new, since a recording may hold what belongs to one list alone. Otherwise a note on standard error says why, and
    steps are carried out as they come.

    Each rank decides for itself: what travels between ranks is the same both ways, and of the two the recording gets
    the rows that have travelled already.

    Args:
        potential: The model.
        nranks: Number of ranks.
        exchanges: Whether the model makes any.
        recorder: What records; None: nothing is recorded.
    """

    def __init__(self, potential: PairPotential, nranks: int, *, exchanges: bool, recorder: Recorder | None) -> None:
        self._potential = potential
        self._nranks = nranks
        self._exchanges = exchanges and nranks > 1
        self._plain = PairsOnDevice(potential, nranks)
        self._recorder = recorder if potential.most_in_slots else None
        self._static = StaticStep(potential, nranks)
        self._list_is_new = False
        self._recording: Recording[Calculated] | None = None
        self._sizes: Sizes | None = None
        self._checks = self._lists = 0

    def evaluate(
        self, step: Step, elems: torch.Tensor, elems_here: torch.Tensor, exchange: Exchange, topology: int
    ) -> PairData | None:
        """Evaluate a step and hand it over to LAMMPS.

        Args:
            step: Of LAMMPS.
            elems, elems_here: (ntotal,) the model's own indices of the elements, on the device and on the host.
            exchange, topology: As of `PairData`.

        Returns:
            What the model was given; None where a recording was carried out.
        """
        if step.rebuilt:
            self._plain.list_is_new()
            self._list_is_new = True
        if self._recorder is None or not self._can_be_recorded(step, exchange):
            data, result = self._plain.evaluate(step, elems, exchange, topology)
            result.hand_over(step)
            return data
        if self._list_is_new:
            self._static.take_list(step, elems_here, exchange)
            self._list_is_new = False
            if self._lists:
                self._lists -= 1
                self._checks += 1
        self._static.take_positions(step)
        self._forget_other_sizes()
        if self._recording is not None and not self._checks:
            try:
                calculated = self._recording(self._static.exchange_of(exchange), self._static.look)
                self._static.result(calculated).hand_over(step)
                return None
            except TooFewPlacesError:
                pass  # `look` has found it before any row travelled: other ranks wait, and notice nothing
        return self._both_ways(step, elems, exchange, topology)

    def _can_be_recorded(self, step: Step, exchange: Exchange) -> bool:
        """Virials of atoms and what a model's last layers see are not among what is recorded."""
        return (
            step.nlocal <= self._potential.most_in_slots
            and not step.peratom
            and not step.extrapolation
            and (not self._exchanges or isinstance(exchange, BetweenDevices))
        )

    def _forget_other_sizes(self) -> None:
        if self._static.sizes != self._sizes:
            self._recording = None  # with the memory of what was recorded
            self._sizes, self._checks, self._lists = self._static.sizes, _CHECKS, _LISTS

    def _both_ways(self, step: Step, elems: torch.Tensor, exchange: Exchange, topology: int) -> PairData:
        remembered = Remembered(exchange) if self._exchanges and isinstance(exchange, BetweenDevices) else None
        data, result = self._plain.evaluate(step, elems, remembered or exchange, topology)
        try:
            problem = self._problem(result, remembered)
        except Exception as failed:
            doing = "cannot be recorded" if self._recording is None else "cannot be carried out again"
            problem = f"{doing} ({type(failed).__name__}: {failed})"
        if problem:
            self._recorder = self._recording = None
            print(
                f"Note: a step of this model {problem}, and is launched operation by operation, which may be slower; "
                f"{SWITCH}=off leaves out the trial",
                file=sys.stderr,
                flush=True,
            )
        result.hand_over(step)
        return data

    def _problem(self, expected: DeviceResult, remembered: Remembered | None) -> str:
        """Why a recording is not to be used; empty: there is one, and it gave the same."""
        static = self._static
        static.make_places()
        self._forget_other_sizes()
        rehearsal: Exchange = OneRank()
        if remembered is not None:
            rehearsal = Rehearsal(static.exchange_of(remembered), remembered.came)
        if self._recording is None:
            assert self._recorder is not None
            self._recording = record(static.calculate, self._recorder, rehearsal, cut=self._exchanges)
        found = static.result(self._recording(rehearsal))
        self._checks -= 1
        apart = difference(found, expected, self._potential.dtype)
        return f"does not give the same when it is replayed ({apart})" if apart else ""
