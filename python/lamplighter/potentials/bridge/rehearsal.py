"""Exchanges that are made once, and repeated without other ranks: in another calculation of the same step."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from lamplighter.potentials.interface import Exchange


@dataclass
class Remembered:
    """An exchange, and what came of it: the direction and the rows of atoms and ghosts, each time.

    Attributes:
        exchange: By which rows travel.
        rows: What came of it so far.
    """

    exchange: Exchange
    rows: list[tuple[str, torch.Tensor]] = field(default_factory=list)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self.exchange.forward(source, target)
        self.rows.append(("forward", target.detach().clone()))

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self.exchange.reverse(source, target)
        self.rows.append(("reverse", target.detach().clone()))


class Rehearsal:
    """The same rows again, from the first to the last and over, in arrays that have room.

    Args:
        rows: What came of exchanges.
        nlocal: Atoms of this rank.
        atoms: Row at which ghosts begin in the arrays that have room.
    """

    def __init__(self, rows: list[tuple[str, torch.Tensor]], nlocal: int, atoms: int) -> None:
        self._rows = rows
        self._nlocal = nlocal
        self._atoms = atoms
        self._next = 0

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self._repeat("forward", target)

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self._repeat("reverse", target)

    def _repeat(self, direction: str, target: torch.Tensor) -> None:
        known, rows = self._rows[self._next]
        if (known, rows.shape[1]) != (direction, target.shape[1]):
            raise RuntimeError(f"{target.shape[1]} features go {direction} where {rows.shape[1]} went {known}")
        self._next = (self._next + 1) % len(self._rows)
        ghosts = len(rows) - self._nlocal
        target.zero_()
        target[: self._nlocal] = rows[: self._nlocal]
        target[self._atoms : self._atoms + ghosts] = rows[self._nlocal :]
