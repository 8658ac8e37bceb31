"""A calculation in arrays that stay where they are, recorded once, and carried out again as few launches.

Between ranks, features travel in the midst of a calculation, which no recording can hold: it is made of pieces then,
and what travels does so between them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch

from lamplighter.potentials.interface import Exchange

Result = TypeVar("Result")
Piece = Callable[[], object]

SWITCH = "LAMPLIGHTER_GRAPHS"
"""Environment variable; "off": nothing is recorded."""

_REHEARSALS = 3
"""Before a calculation is recorded; torch compiles parts of what it has seen twice."""


class Recorder(Protocol):
    """Takes down what a device is asked to do, in pieces that are carried out in their order."""

    def aside(self) -> contextlib.AbstractContextManager[None]:
        """Where rehearsals and recordings are made."""

    def begin(self) -> None:
        """Take down what follows; it is not carried out."""

    def end(self) -> Piece:
        """What was taken down since `begin`, to be carried out as often as wanted."""

    def abandon(self) -> None:
        """After a failure: stop taking down."""


def recorder(device: torch.device) -> Recorder | None:
    """What records calculations on a device: CUDA graphs on GPUs; None: nothing does."""
    return None if device.type != "cuda" or os.environ.get(SWITCH) == "off" else CudaGraphs(device)


class CudaGraphs:
    """A CUDA graph for each piece; they share their memory, as they are launched in the order of their making.

    Source of the order of calls: PyTorch's documentation, "CUDA semantics", section "CUDA Graphs".
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._memory: Any = None  # what torch calls the handle of a pool

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        self._memory = torch.cuda.graph_pool_handle()
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            yield
        torch.cuda.current_stream(self._device).wait_stream(stream)

    def begin(self) -> None:
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()
        self._graph = torch.cuda.CUDAGraph()
        self._graph.capture_begin(pool=self._memory)

    def end(self) -> Piece:
        graph, self._graph = self._graph, None
        assert graph is not None
        graph.capture_end()
        return graph.replay

    def abandon(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            with contextlib.suppress(RuntimeError):
                graph.capture_end()


@dataclass(frozen=True)
class Travelling:
    """Rows of features between two pieces, in arrays that stay: `forward` or `reverse` of an `interface.Exchange`."""

    direction: str
    source: torch.Tensor
    target: torch.Tensor


@dataclass(frozen=True)
class Recording(Generic[Result]):
    """A calculation that was taken down.

    Attributes:
        pieces: In their order.
        travelling: What travels after each but the last.
        result: Which every time has new numbers, in the same place.
    """

    pieces: list[Piece]
    travelling: list[Travelling]
    result: Result

    def __call__(self, exchange: Exchange, look: Callable[[Result], None] = lambda _: None) -> Result:
        """Carry it out; the result is valid until the next time.

        Args:
            exchange: By which rows travel.
            look: Is shown the result before any row travels, as far as it is known then.
        """
        for number, piece in enumerate(self.pieces):
            piece()
            if number < len(self.travelling):
                if not number:
                    look(self.result)
                rows = self.travelling[number]
                getattr(exchange, rows.direction)(rows.source, rows.target)
        return self.result


def record(
    calculate: Callable[[Exchange], Result], recorder: Recorder, rehearsal: Exchange, *, cut: bool
) -> Recording[Result]:
    """Rehearse a calculation and take it down.

    Args:
        calculate: Reads arrays that stay where they are.
        recorder: What takes it down.
        rehearsal: By which rows travel in rehearsals, without other ranks.
        cut: Whether it is cut at each exchange; else these are part of it.
    """
    with recorder.aside():
        for _ in range(_REHEARSALS):
            calculate(rehearsal)
        cuts = _Cuts(recorder)
        recorder.begin()
        try:
            result = calculate(cuts if cut else rehearsal)
            cuts.pieces.append(recorder.end())
        except BaseException:
            recorder.abandon()
            raise
    return Recording(cuts.pieces, cuts.travelling, result)


class _Cuts:
    """An exchange at which a recording is cut; nothing travels."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.pieces: list[Piece] = []
        self.travelling: list[Travelling] = []

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self._cut("forward", source, target)

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        self._cut("reverse", source, target)

    def _cut(self, direction: str, source: torch.Tensor, target: torch.Tensor) -> None:
        self.pieces.append(self._recorder.end())
        self.travelling.append(Travelling(direction, source.detach(), target.detach()))
        self._recorder.begin()
