"""A calculation in arrays that stay where they are, replayed as one launch, as far as that gives the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch

Calculate = Callable[[], torch.Tensor]
Record = Callable[[Calculate], Calculate]

_SWITCH = "LAMPLIGHTER_GRAPHS"
"""Environment variable; "off": nothing is replayed."""

_CHECKS = 2
_LISTS = 2


def recorder(device: torch.device) -> Record | None:
    """What records calculations on a device: CUDA graphs on GPUs; None: nothing does."""
    return None if device.type != "cuda" or os.environ.get(_SWITCH) == "off" else cuda_graph


def cuda_graph(calculate: Calculate) -> Calculate:
    """Record a calculation as a CUDA graph.

    What is returned writes its result to the same array at each call. Source of the order of steps: PyTorch's
    documentation, "CUDA semantics", section "CUDA Graphs".
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(2):
            calculate()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = calculate()

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay


class Replayed:
    """A calculation that is carried out, then recorded, then held against what was recorded, and then replayed.

    It is compared again when lists are new, since a recording may hold what belongs to one list or one step alone.
    Where results differ, or a recording fails, a note on standard error says so, and it is carried out from then on.

    Args:
        calculate: Reads arrays that stay where they are, and gives a new one.
        record: What records it; None: it is carried out each time.
        same: Whether two results are the same; else what differs.
    """

    def __init__(
        self, calculate: Calculate, record: Record | None, same: Callable[[torch.Tensor, torch.Tensor], str]
    ) -> None:
        self._calculate = calculate
        self._record = record
        self._same = same
        self._recorded: Calculate | None = None
        self._checks = _CHECKS
        self._lists = _LISTS

    def list_is_new(self) -> None:
        """What the calculation reads is of another neighbour list from now on."""
        if self._lists:
            self._lists -= 1
            self._checks += 1

    def __call__(self) -> torch.Tensor:
        """The result; valid until the next call."""
        if self._recorded is not None and not self._checks:
            return self._recorded()
        found = self._calculate()
        if self._recorded is not None:
            self._checks -= 1
            self._compare(found, self._recorded)
        elif self._record is not None:
            try:
                self._recorded = self._record(self._calculate)
            except Exception as problem:
                self._give_up(f"cannot be recorded ({type(problem).__name__}: {problem})")
        return found

    def _compare(self, found: torch.Tensor, recorded: Calculate) -> None:
        try:
            problem = self._same(recorded(), found)
        except Exception as failed:
            problem = f"{type(failed).__name__}: {failed}"
        if problem:
            self._give_up(f"does not give the same when it is replayed ({problem})")

    def _give_up(self, why: str) -> None:
        self._record = self._recorded = None
        print(
            f"Note: a step of this model {why}, and is launched operation by operation, which may be slower; "
            f"{_SWITCH}=off leaves out the trial",
            file=sys.stderr,
            flush=True,
        )
