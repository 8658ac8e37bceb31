"""Pairs of a step grouped by receiving atom, each group padded to the longest of its block of atoms."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_MOST_PAIRS, _NUMBERS = 1024, 2**19
"""Of a block on a CPU: pairs, and numbers that are made of them; these then stay in the second-level cache or near."""
_NUMBERS_ON_A_GPU = 2**28
"""The same on a GPU, where few blocks are better: 2 GB in float64."""


@dataclass(frozen=True)
class Block:
    """Atoms that are treated together.

    Attributes:
        atoms: Which of the sorted atoms.
        slots: (n · longest,) int64, the pairs of each; where an atom has no more, the number of pairs, which is none.
        places: Where the slots stand among those of all blocks.
    """

    atoms: slice
    slots: torch.Tensor
    places: slice

    @property
    def natoms(self) -> int:
        return int(self.atoms.stop - self.atoms.start)


@dataclass(frozen=True)
class Grouped:
    """All atoms, those with as many neighbours together.

    Attributes:
        order: (natoms,) int64, the atom that each sorted atom is.
        place: (natoms,) int64, the sorted atom that each atom is.
        blocks: Of the sorted atoms.
        slot_of_pair: (npairs,) int64, place of each pair among the slots of all blocks.
    """

    order: torch.Tensor
    place: torch.Tensor
    blocks: list[Block]
    slot_of_pair: torch.Tensor

    @property
    def nslots(self) -> int:
        return int(self.blocks[-1].places.stop)


def grouped(pair_i: torch.Tensor, atoms: int, width: int) -> Grouped:
    """Pairs by receiver.

    Args:
        pair_i: (npairs,) int64, receivers in ascending order.
        atoms: How many there are; at least 1.
        width: Numbers that are made of one pair.
    """
    counts = torch.bincount(pair_i, minlength=atoms)
    first = torch.cumsum(counts, 0) - counts
    order = torch.argsort(counts, descending=True)
    longest = max(1, int(counts[order[0]]))
    on_cpu = pair_i.device.type == "cpu"
    pairs = min(_MOST_PAIRS, _NUMBERS // width) if on_cpu else _NUMBERS_ON_A_GPU // width
    size = max(1, pairs // longest)
    blocks, start = [], 0
    for number, length in enumerate(counts[order[::size]].clamp(min=1).tolist()):
        chosen = slice(number * size, min(atoms, (number + 1) * size))
        mine = order[chosen]
        place = torch.arange(length, device=pair_i.device)
        slots = torch.where(place < counts[mine, None], first[mine, None] + place, len(pair_i)).flatten()
        blocks.append(Block(chosen, slots, slice(start, start + len(slots))))
        start += len(slots)
    slots = torch.cat([block.slots for block in blocks])
    slot_of_pair = slots.new_empty(len(pair_i) + 1)
    slot_of_pair[slots] = torch.arange(len(slots), device=slots.device)
    return Grouped(order, torch.argsort(order), blocks, slot_of_pair[:-1])
