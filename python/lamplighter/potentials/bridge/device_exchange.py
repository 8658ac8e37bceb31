"""Features between ranks whose models run on devices: only rows that other ranks need leave the device, each once.

A rank's ghosts are periodic images of its own atoms, and images of the atoms of others, of which many are the same
atom. Which rows travel is found when the neighbour list is new; `pair_styles/remote_atoms.h` is the same of the native
engine.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lamplighter.potentials.bridge.exchange import ThroughPairStyle
from lamplighter.potentials.bridge.staging import page_locked, wait_for

_TAG = 2  # LAMMPS' messages have 0, those of pair_styles/remote_atoms.cpp 1
_SWITCH = "LAMPLIGHTER_CUDA_MPI"
"""Environment variable; "off": MPI never gets memory of a device."""


@dataclass
class Travelled:
    """Seconds of this process in exchanges between devices, how many there were, and the bytes of a row in each."""

    seconds: float = 0.0
    rounds: int = 0
    bytes: int = 0


travelled = Travelled()


@dataclass(frozen=True)
class Plan:
    """Which rows travel, until the neighbour list is made anew.

    Attributes:
        nlocal: Atoms of this rank.
        sent: (n,) int64, those that other ranks need, rank by rank.
        row_of: (ntotal,) int64, of each atom and ghost: its row among the local atoms and, after these, those received.
        to, of: How many are sent to each rank, and received of each, (ranks,).
    """

    nlocal: int
    sent: torch.Tensor
    row_of: torch.Tensor
    to: list[int]
    of: list[int]

    def padded(self, atoms: int, ghosts: int) -> Plan:
        """The same of arrays that have room: `atoms` rows for those of this rank, then `ghosts` rows."""
        images = self.row_of[self.nlocal :]
        images = torch.where(images < self.nlocal, images, images + (atoms - self.nlocal))
        own = torch.arange(atoms, device=images.device)
        behind = images.new_zeros(ghosts - len(images))  # what is no ghost gets the row of an atom, and gives zero
        return Plan(atoms, self.sent, torch.cat((own, images, behind)), self.to, self.of)


def find_plan(exchange: ThroughPairStyle, comm: Any, nlocal: int, ntotal: int, device: torch.device) -> Plan:
    """Ask all ranks which of their atoms this rank's ghosts are. Collective, also of ranks without atoms."""
    me = comm.Get_rank()
    whose = torch.zeros(ntotal, 2, dtype=torch.float64)
    whose[:nlocal, 0], whose[:nlocal, 1] = me, torch.arange(nlocal, dtype=torch.float64)
    exchange.forward(whose.clone(), whose)
    if not nlocal:
        whose = whose[:0]  # nobody here has neighbours
    rank, row = whose.numpy().astype(np.int64).T
    row_of = row.copy()
    theirs = np.flatnonzero(rank != me)
    wanted, which = np.unique(np.stack((rank[theirs], row[theirs])), axis=1, return_inverse=True)
    row_of[theirs] = nlocal + which.reshape(-1)
    of = np.bincount(wanted[0], minlength=comm.Get_size()).astype(np.int64)
    to = np.empty_like(of)
    comm.Alltoall(of, to)
    sent = np.empty(to.sum(), dtype=np.int64)
    comm.Alltoallv([np.ascontiguousarray(wanted[1]), of], [sent, to])
    return Plan(
        nlocal,
        torch.from_numpy(sent).to(device),
        torch.from_numpy(row_of).to(device),
        [int(n) for n in to],
        [int(n) for n in of],
    )


class BetweenDevices:
    """An `interface.Exchange` by a plan.

    Args:
        comm: Of mpi4py; its ranks are those of LAMMPS.
        plan: Of this neighbour list.
        device: Of this rank's model.
        direct: Whether MPI takes memory of the device; else rows go through page-locked memory of the host.
    """

    def __init__(self, comm: Any, plan: Plan, device: torch.device, direct: bool) -> None:
        self._comm = comm
        self._plan = plan
        self._device = device
        self._direct = direct

    def padded(self, atoms: int, ghosts: int) -> BetweenDevices:
        """The same of arrays that have room, as `Plan.padded`."""
        return BetweenDevices(self._comm, self._plan.padded(atoms, ghosts), self._device, self._direct)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None:
        plan = self._plan
        source = source.detach()
        received = self._travel(source.index_select(0, plan.sent), plan.to, plan.of)
        torch.index_select(torch.cat((source[: plan.nlocal], received)), 0, plan.row_of, out=target)

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None:
        plan = self._plan
        sums = source.new_zeros(plan.nlocal + sum(plan.of), source.shape[1])
        sums.index_add_(0, plan.row_of, source.detach())
        received = self._travel(sums[plan.nlocal :], plan.of, plan.to)
        target[: plan.nlocal] = sums[: plan.nlocal].index_add_(0, plan.sent, received)
        target[plan.nlocal :] = 0

    def _travel(self, rows: torch.Tensor, to: list[int], of: list[int]) -> torch.Tensor:
        """Rows to each rank, and what comes of each."""
        began = time.perf_counter()
        shape = (sum(of), rows.shape[1])
        if self._direct:
            outgoing, incoming = rows.contiguous(), rows.new_empty(shape)
        else:
            outgoing = page_locked(tuple(rows.shape), rows.dtype, self._device)
            outgoing.copy_(rows, non_blocking=True)
            incoming = page_locked(shape, rows.dtype, self._device)
        wait_for(self._device)  # MPI knows nothing of what a device has still to do
        requests = [self._comm.Irecv(piece, source=rank, tag=_TAG) for rank, piece in self._pieces(incoming, of)]
        requests += [self._comm.Isend(piece, dest=rank, tag=_TAG) for rank, piece in self._pieces(outgoing, to)]
        for request in requests:
            request.Wait()
        travelled.seconds += time.perf_counter() - began
        travelled.rounds += 1
        travelled.bytes += rows.shape[1] * rows.element_size()
        return incoming if self._direct else incoming.to(self._device, non_blocking=True)

    def _pieces(self, rows: torch.Tensor, counts: list[int]) -> Iterator[tuple[int, Any]]:
        """Of each rank that has any, as MPI takes them: page-locked tensors are not simply memory of the host to it."""
        for rank, piece in enumerate(rows.split(counts)):
            if len(piece):
                yield rank, piece if self._direct else piece.numpy()


def takes_memory_of(device: torch.device) -> bool:
    """Whether the MPI library says of itself that it takes memory of a device; the host's it takes in any case."""
    if device.type != "cuda" or os.environ.get(_SWITCH) == "off":
        return False
    from mpi4py import MPI

    try:
        asked = ctypes.CDLL(MPI.__file__).MPIX_Query_cuda_support
    except (AttributeError, OSError):
        return False
    return bool(asked() == 1)


def of_lammps(comm: Any, rank: int, nranks: int) -> Any:
    """The communicator if its ranks are those of LAMMPS, or None. Collective."""
    from mpi4py import MPI

    if comm is None or nranks == 1 or comm.Get_size() != nranks:
        return None
    return comm if comm.allreduce(comm.Get_rank() == rank, op=MPI.LAND) else None
