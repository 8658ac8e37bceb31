"""Pairs of LAMMPS as a network takes them (edges), and what it gives back as LAMMPS takes it.

For backends whose network works on edges: it gets vectors r_j − r_i and returns an energy per atom; forces are the
gradient of the energy with respect to the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lamplighter.potentials.interface import PairData
from lamplighter.potentials.slots import Slots


@dataclass
class Edges:
    """Edges of one evaluation.

    Attributes:
        receivers, senders: (nedges,) int64, index of the atom that receives, and of the one that sends.
        vectors: (nedges, 3) Å, from receiver to sender, with gradient.
        kept: Which pairs of LAMMPS these are, (nedges,) int64; None: all of them.
        within: Which of them are edges at all, (nedges,) bool, where places for pairs are empty; None: all.
    """

    receivers: torch.Tensor
    senders: torch.Tensor
    vectors: torch.Tensor
    kept: torch.Tensor | None
    within: torch.Tensor | None = None


def edges_within(data: PairData, cutoff: float | torch.Tensor, dtype: torch.dtype) -> Edges:
    """Edges shorter than the cutoff.

    Args:
        data: Atoms and pairs of this rank.
        cutoff: Å, one for all, or (nelements, nelements) by the model's own indices of receiver and sender.
        dtype: What the network takes.
    """
    receivers, senders, vectors = data.pair_i, data.pair_j, data.rij
    limit = cutoff[data.elems[receivers], data.elems[senders]] if isinstance(cutoff, torch.Tensor) else cutoff
    within = vectors.square().sum(dim=1) < limit**2
    if data.slots is not None:
        return _in_slots(data.slots, within, dtype)
    kept = None
    if not bool(within.all()):
        kept = torch.nonzero(within).squeeze(1)
        receivers, senders, vectors = receivers[kept], senders[kept], vectors[kept]
    return Edges(receivers, senders, vectors.detach().to(dtype).requires_grad_(True), kept)


def _in_slots(slots: Slots, within: torch.Tensor, dtype: torch.dtype) -> Edges:
    """All places; what is beyond the cutoff of its elements is as long as the largest, as empty places are."""
    beyond = torch.zeros_like(slots.vectors)
    beyond.select(1, 0).fill_(slots.cutoff)
    within = within & slots.there
    vectors = torch.where(within.unsqueeze(1), slots.vectors, beyond)
    return Edges(slots.receivers, slots.senders, vectors.to(dtype).requires_grad_(True), None, within)


def write_result(data: PairData, edges: Edges, energies: torch.Tensor) -> None:
    """Hand energies of the local atoms, (nlocal,) eV, and forces of all pairs to LAMMPS.

    Exchanges in the network's backward pass call MPI: it runs in this thread, on GPUs too.
    """
    gradient: torch.Tensor | None = None
    if energies.requires_grad:
        with torch.autograd.set_multithreading_enabled(False):
            (gradient,) = torch.autograd.grad(energies.sum(), edges.vectors, allow_unused=True)
    if gradient is None:
        gradient = torch.zeros_like(edges.vectors)
    hand_over(data, edges, energies.detach(), gradient)


def hand_over(data: PairData, edges: Edges, energies: torch.Tensor, gradient: torch.Tensor) -> None:
    """Give LAMMPS energies of the local atoms, (nlocal,) eV, and their gradient by the vectors, (nedges, 3) eV/Å."""
    forces = gradient.to(data.pair_forces.dtype)
    if edges.within is not None:
        forces = forces.masked_fill(~edges.within.unsqueeze(1), 0.0)
    if edges.kept is not None:
        forces = torch.zeros_like(data.pair_forces).index_copy_(0, edges.kept, forces)
    data.update_pair_forces(forces)
    data.take_energies(energies)


class _FetchGhosts(torch.autograd.Function):
    """Rows of ghosts from the ranks that own them; backward, their gradients go home."""

    @staticmethod
    def forward(ctx, features, data):
        ctx.data = data
        complete = torch.empty_like(features)
        data.forward_exchange(features, complete, features.shape[1])
        return complete

    @staticmethod
    def backward(ctx, *gradients):
        ghosts_too = gradients[0].contiguous()
        summed = torch.empty_like(ghosts_too)
        ctx.data.reverse_exchange(ghosts_too, summed, ghosts_too.shape[1])
        return summed, None


def fetch_ghosts(features: torch.Tensor, data: PairData) -> torch.Tensor:
    """Features of local atoms and ghosts, (ntotal, width), from those of local atoms, (nlocal, width). Collective."""
    empty = features.new_zeros(data.ntotal - data.nlocal, features.shape[1])
    complete: torch.Tensor = _FetchGhosts.apply(torch.cat((features, empty)), data)
    return complete
