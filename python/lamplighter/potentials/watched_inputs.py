"""What the last linear layers of a framework's network see of each atom, taken while the network is evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from lamplighter.potentials.interface import PairData


@dataclass(frozen=True)
class LastLayer:
    """A linear layer that energies are made of.

    Attributes:
        module: The layer, or what begins with it.
        width: Numbers of its input that are taken.
        take: These numbers, (rows, width), of what the module is called with; rows are atoms, local ones first.
        of_atoms: Where rows are pairs: what becomes of their sums over the pairs of each atom, (nlocal, width), by the
            atoms' elements; None: rows are atoms.
    """

    module: torch.nn.Module
    width: int
    take: Callable[[Any], torch.Tensor]
    of_atoms: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None


class WatchedInputs:
    """The inputs of all last layers of a network, one beside the other.

    Args:
        layers: In the order in which the native engine has them (docs/theory/own_uncertainty.md), so that statistics
            of a training set hold for both; none: the inputs cannot be had.
    """

    def __init__(self, layers: Sequence[LastLayer]) -> None:
        self.width = sum(layer.width for layer in layers)
        self._layers = layers
        self._seen: list[torch.Tensor | None] | None = None
        for place, layer in enumerate(layers):
            layer.module.register_forward_pre_hook(partial(self._see, place))

    @contextlib.contextmanager
    def watched(self, data: PairData, receivers: torch.Tensor | None = None) -> Iterator[None]:
        """While the network is called: where the inputs are wanted, `data` has them afterwards.

        Args:
            data: Of this evaluation.
            receivers: Atom of each row of layers whose rows are pairs, (rows,) int64.
        """
        if not data.inputs_wanted:
            yield
            return
        self._seen = [None] * len(self._layers)
        try:
            yield
            found = zip(self._layers, self._seen, strict=True)
            data.readout_inputs = torch.cat([_rows(layer, seen, data, receivers) for layer, seen in found], dim=1)
        finally:
            self._seen = None

    def _see(self, place: int, _module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        if self._seen is not None:
            self._seen[place] = self._layers[place].take(given[0]).detach()


def _rows(layer: LastLayer, seen: torch.Tensor | None, data: PairData, receivers: torch.Tensor | None) -> torch.Tensor:
    """The inputs of the local atoms, (nlocal, width)."""
    assert seen is not None
    if layer.of_atoms is None:
        return seen[: data.nlocal]
    assert receivers is not None
    sums = seen.new_zeros(data.nlocal, layer.width).index_add_(0, receivers, seen)
    return layer.of_atoms(sums, data.elems[: data.nlocal])
