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
            A slice, where pairs are in their places already.
        places: Where the slots stand among those of all blocks.
    """

    atoms: slice
    slots: torch.Tensor | slice
    places: slice

    @property
    def natoms(self) -> int:
        return int(self.atoms.stop - self.atoms.start)


@dataclass(frozen=True)
class Grouped:
    """All atoms, those with as many neighbours together.

    Attributes:
        order: (natoms,) int64, the atom that each sorted atom is; None: they are as they were.
        place: (natoms,) int64, the sorted atom that each atom is; None: as above.
        blocks: Of the sorted atoms.
        slot_of_pair: (npairs,) int64, place of each pair among the slots of all blocks; None: its own.
    """

    order: torch.Tensor | None
    place: torch.Tensor | None
    blocks: list[Block]
    slot_of_pair: torch.Tensor | None

    @property
    def nslots(self) -> int:
        return int(self.blocks[-1].places.stop)

    @property
    def natoms(self) -> int:
        return int(self.blocks[-1].atoms.stop)


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
    size = _atoms_of_a_block(pair_i.device, longest, width)
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


def in_slots(atoms: int, longest: int, width: int, device: torch.device) -> Grouped:
    """Pairs that are in slots: as many places for each atom, those of an atom in a row.

    Args:
        atoms: How many there are; at least 1.
        longest: Places of each.
        width: Numbers that are made of one pair.
        device: Where they are.
    """
    size = _atoms_of_a_block(device, longest, width)
    blocks = []
    for start in range(0, atoms, size):
        stop = min(atoms, start + size)
        places = slice(start * longest, stop * longest)
        blocks.append(Block(slice(start, stop), places, places))
    return Grouped(None, None, blocks, None)


def _atoms_of_a_block(device: torch.device, longest: int, width: int) -> int:
    pairs = min(_MOST_PAIRS, _NUMBERS // width) if device.type == "cpu" else _NUMBERS_ON_A_GPU // width
    return max(1, pairs // longest)


def rows_of(rows: torch.Tensor, chosen: torch.Tensor | slice | None, dim: int = 0) -> torch.Tensor:
    """Rows, chosen by numbers or as a piece; None: all."""
    if chosen is None:
        return rows
    if isinstance(chosen, slice):
        return rows.narrow(dim, chosen.start, chosen.stop - chosen.start)
    return rows.index_select(dim, chosen)
