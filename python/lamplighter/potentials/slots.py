"""Pairs within the cutoff in arrays whose shapes stay: as many places for each atom, of which some are empty.

Which pairs of the neighbour list are within the cutoff changes at each step. Here they are counted off within the list
and put into places, by operations whose shapes do not depend on how many there are: nothing waits for a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

MOST_IN_SLOTS = 4000
"""Atoms of a rank up to which networks of frameworks take slots. Each atom has as many places for pairs as the one with
most, and what is gained, the time in which operations are launched, does not grow with atoms. A guess, until there is a
GPU to measure on."""


@dataclass(frozen=True)
class ListedPairs:
    """The neighbour list with its skin, on the device, the same until it is made anew.

    Attributes:
        i: (n,) int64, receivers, each one's pairs in a row.
        j: (n,) int64, senders.
        j_x: (n,) int64, rows of the positions of the senders.
        listed: (n,) bool; what is behind the list is no pair.
        first: (atoms,) int64, where the pairs of each atom begin; of an atom without any, anywhere.
    """

    i: torch.Tensor
    j: torch.Tensor
    j_x: torch.Tensor
    listed: torch.Tensor
    first: torch.Tensor


@dataclass(frozen=True)
class Slots:
    """Places for pairs, `longest` for each atom; those of an atom in a row.

    Attributes:
        longest: Places of each atom.
        cutoff: Å.
        receivers, senders: (atoms · longest,) int64; those of an empty place are one atom.
        there: (atoms · longest,) bool, whether it is a pair.
        vectors: (atoms · longest, 3) Å, float64, x_j − x_i; of an empty place as long as the cutoff, where what models
            sum over neighbours is zero.
        wanted: How many places the atom with most pairs would need, a number on the device; beyond `longest` pairs are
            missing.
        shortest: The smallest distance of two atoms, Å, a number on the device.
    """

    longest: int
    cutoff: float
    receivers: torch.Tensor
    senders: torch.Tensor
    there: torch.Tensor
    vectors: torch.Tensor
    wanted: torch.Tensor
    shortest: torch.Tensor


def slots_within(x: torch.Tensor, pairs: ListedPairs, cutoff: float, longest: int) -> Slots:
    """The pairs closer than the cutoff (Å) at positions x, (rows, 3) float64 Å."""
    atoms = len(pairs.first)
    vectors = x.index_select(0, pairs.j_x) - x.index_select(0, pairs.i)
    distances = torch.linalg.vector_norm(vectors, dim=1)
    near = pairs.listed & (distances < cutoff)
    before = torch.cumsum(near, 0) - near.long()
    number = before - before.index_select(0, pairs.first).index_select(0, pairs.i)
    places = atoms * longest
    # one more place, for all that have none; `masked_fill` takes a number as it is, others would send it to the device
    place = (pairs.i * longest + number).masked_fill(~(near & (number < longest)), places)
    pair = torch.full((places + 1,), -1, dtype=torch.int64, device=x.device)
    pair = pair.scatter(0, place, torch.arange(len(place), device=x.device))[:-1]
    there = pair >= 0
    pair = pair.clamp(min=0)
    receivers = torch.arange(places, device=x.device) // longest
    vectors = vectors.index_select(0, pair).masked_fill(~there.unsqueeze(1), 0.0)
    vectors.select(1, 0).masked_fill_(~there, cutoff)
    return Slots(
        longest,
        cutoff,
        receivers,
        torch.where(there, pairs.j.index_select(0, pair), receivers),
        there,
        vectors,
        (number + 1).masked_fill(~near, 0).max(),
        distances.masked_fill(~pairs.listed, cutoff).min(),
    )
