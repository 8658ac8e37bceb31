"""Message passing between ranks, as `interface.Exchange`: through the pair style, or none on one rank."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch


class OneRank:
    """One rank: images are folded onto their atoms, there are no ghosts, nothing is to be exchanged."""

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        target.copy_(source)

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        target.copy_(source)


@dataclass(frozen=True)
class ExchangeCall:
    """One exchange that a model makes at each step: its direction, features per atom, and their type."""

    direction: str
    width: int
    dtype: torch.dtype


class Recording:
    """Writes down which exchanges a model makes; behaves as one rank."""

    def __init__(self) -> None:
        self.calls: list[ExchangeCall] = []

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self.calls.append(ExchangeCall("forward", source.shape[1], source.dtype))
        target.copy_(source)

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self.calls.append(ExchangeCall("reverse", source.shape[1], source.dtype))
        target.copy_(source)


class ThroughPairStyle:
    """Several ranks: the pair style's forward and reverse communication (`pair_styles/bridge.h`).

    Args:
        library: The plugin's shared object.
        pair: Address of the pair style.
        nlocal: Atoms that this rank owns.
        ntotal: nlocal + ghosts.
    """

    def __init__(self, library: ctypes.CDLL, pair: int, nlocal: int, ntotal: int) -> None:
        self._library = library
        self._pair = pair
        self._nlocal = nlocal
        self._ntotal = ntotal

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self._run(self._library.lamplighter_forward_exchange, source, target)

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self._run(self._library.lamplighter_reverse_exchange, source, target)

    def replay(self, calls: list[ExchangeCall]) -> None:
        """On a rank without atoms: take part in the exchanges of the others."""
        for call in calls:
            rows = torch.zeros(self._ntotal, call.width, dtype=call.dtype)
            (self.forward if call.direction == "forward" else self.reverse)(rows, rows)

    def _run(self, function: ctypes._NamedFuncPointer, source: torch.Tensor, target: torch.Tensor) -> None:
        if source.shape[0] != self._ntotal or source.shape != target.shape:
            raise ValueError(
                f"an exchange takes features of {self._ntotal} atoms (local and ghost), "
                f"got {tuple(source.shape)} and {tuple(target.shape)}"
            )
        if source.element_size() not in (4, 8) or not source.is_floating_point():
            raise TypeError(f"an exchange takes float32 or float64, got {source.dtype}")
        on_host = source.device.type == "cpu"
        send = source.detach().contiguous() if on_host else source.detach().cpu().contiguous()
        receive = target if on_host and target.is_contiguous() else torch.empty_like(send)
        failed = function(self._pair, send.data_ptr(), receive.data_ptr(), send.shape[1], send.element_size())
        if failed:
            raise RuntimeError("LAMMPS could not exchange node features between ranks")
        if receive is not target:
            target.copy_(receive)
