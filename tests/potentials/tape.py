"""In the place of CUDA's graphs, on a CPU: what torch is asked to do is taken down, and done again in the same arrays.

As with a graph, Python takes no part in the second time: what depended on a number then, still does. What CUDA does not
take down is refused, as far as a CPU can tell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITING = (
    *("_local_scalar_dense", "nonzero", "masked_select", "bincount", "is_nonzero", "equal", "repeat_interleave"),
    *("unique", "_unique2", "unique_dim", "unique_consecutive", "lift_fresh"),
)
"""Operations for whose numbers the host waits, or which bring some from there."""


class Tape(TorchDispatchMode):
    """A `replay.Recorder`.

    Args:
        spoil: What becomes of a new array when an operation is done again.
    """

    def __init__(self, spoil: Callable[[torch.Tensor], torch.Tensor] = lambda array: array) -> None:
        super().__init__()
        self.recordings = self.replays = 0
        self._spoil = spoil
        self._piece: list[tuple[Any, ...]] | None = None
        self._pieces = 0

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        self.recordings += 1
        self._pieces = 0
        with self:
            yield

    def begin(self) -> None:
        self._piece = []

    def end(self) -> Callable[[], None]:
        piece, self._piece = self._piece, None
        assert piece
        first = not self._pieces
        self._pieces += 1

        def replay() -> None:
            self.replays += first
            with torch.no_grad():
                for operation, args, kwargs, found in piece:
                    again = tree_leaves(operation(*args, **kwargs))
                    if not operation._schema.is_mutable:
                        for array, new in zip(tree_leaves(found), again, strict=True):
                            if isinstance(array, torch.Tensor):
                                array.copy_(self._spoil(new))

        return replay

    def abandon(self) -> None:
        self._piece = None

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        found = func(*args, **(kwargs or {}))
        if self._piece is None:
            return found
        name = func._schema.name.removeprefix("aten::")
        chosen = args[1] if name in ("index", "index_put", "index_put_") else ()
        if name in WAITING or any(each is not None and each.dtype == torch.bool for each in chosen):
            raise RuntimeError(f"operation not permitted while it is recorded: {func}")
        is_view = not func._schema.is_mutable and any(each.alias_info is not None for each in func._schema.returns)
        if not is_view and "empty" not in name:
            self._piece.append((func, args, kwargs or {}, found))
        return found
