"""Exchanges between devices that are made once, and repeated without other ranks: in a recording of the same step."""

from __future__ import annotations

import torch

from lamplighter.potentials.bridge.device_exchange import BetweenDevices


class Remembered(BetweenDevices):
    """An exchange that keeps what came of other ranks, each time."""

    def __init__(self, exchange: BetweenDevices) -> None:
        super().__init__(exchange._comm, exchange._plan, exchange._device, exchange._direct)
        self.came: list[torch.Tensor] = []

    def _travel(self, rows: torch.Tensor, to: list[int], of: list[int]) -> torch.Tensor:
        came = super()._travel(rows, to, of)
        self.came.append(came.clone())
        return came


class Rehearsal(BetweenDevices):
    """An exchange to which the same comes again, from the first time to the last and over; nothing leaves this rank.

    Args:
        exchange: Of the recording, which may have room for more atoms.
        came: What is remembered of the step.
    """

    def __init__(self, exchange: BetweenDevices, came: list[torch.Tensor]) -> None:
        super().__init__(exchange._comm, exchange._plan, exchange._device, exchange._direct)
        self._came = came
        self._next = 0

    def _travel(self, rows: torch.Tensor, to: list[int], of: list[int]) -> torch.Tensor:
        came = self._came[self._next]
        if (came.dtype, *came.shape) != (rows.dtype, sum(of), rows.shape[1]):
            raise RuntimeError(f"rows of {tuple(came.shape)} came where ({sum(of)}, {rows.shape[1]}) are expected")
        self._next = (self._next + 1) % len(self._came)
        return came
