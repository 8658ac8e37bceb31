"""Pairs of atoms by their receiver, padded to blocks of atoms that have about as many neighbours."""

import inspect
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding

_ROWS = 2000
"""Pairs of a block: what is made of them should stay near the core."""


@dataclass(frozen=True)
class Pairs:
    """Pairs in the order of blocks.

    Attributes:
        blocks: Atoms of each block, and slots of each of these atoms; a block's rows are (atoms, slots).
        slots: Pair of each row, (rows,); of rows that are none, the number of pairs.
        index: Sender and receiver of each row, (2, rows); rows that are none send 0.
        place: Of each atom in the order of blocks, (n_atoms,).
    """

    blocks: list[tuple[int, int]]
    slots: torch.Tensor
    index: torch.Tensor
    place: torch.Tensor

    @property
    def rows(self) -> list[int]:
        """Of each block."""
        return [atoms * slots for atoms, slots in self.blocks]

    def spread(self, of_pairs: torch.Tensor) -> torch.Tensor:
        """Rows of pairs, (npairs, width), as rows of blocks, with zeros where there is no pair."""
        return embedding(self.slots, torch.cat((of_pairs, of_pairs.new_zeros(1, of_pairs.shape[1]))))


def grouped(edge_index: torch.Tensor, n_atoms: int) -> Pairs:
    """Put pairs (senders, receivers), (2, npairs), into blocks."""
    senders, receivers = edge_index.numpy()
    n_pairs = len(receivers)
    order = np.argsort(receivers, kind="stable")
    counts = np.bincount(receivers, minlength=n_atoms)
    first = np.cumsum(counts) - counts
    atoms = np.argsort(counts, kind="stable")
    blocks, slots, numbers = [], [], []
    for mine in _blocks(counts[atoms]):
        members = atoms[mine]
        width = max(1, int(counts[members[-1]]))
        column = np.arange(width)
        there = column < counts[members][:, None]
        found = np.append(order, 0)[np.where(there, first[members][:, None] + column, n_pairs)]
        slots.append(np.where(there, found, n_pairs).ravel())
        numbers.append(np.repeat(members, width))
        blocks.append((len(members), width))
    of_rows = np.concatenate(slots)
    place = np.empty(n_atoms, dtype=np.int64)
    place[atoms] = np.arange(n_atoms)
    index = np.stack((np.append(senders, 0)[of_rows], np.concatenate(numbers)))
    return Pairs(blocks, torch.from_numpy(of_rows), torch.from_numpy(index), torch.from_numpy(place))


def _blocks(counts: np.ndarray) -> list[slice]:
    """Atoms, by ascending numbers of neighbours, in blocks of at most `_ROWS` rows or of one atom."""
    found, begin = [], 0
    for end in range(1, len(counts) + 1):
        if end == len(counts) or (end + 1 - begin) * max(1, counts[end]) > _ROWS:
            found.append(slice(begin, end))
            begin = end
    return found


class PairsOfInteractions:
    """Hands interactions what belongs to pairs in the order of blocks: harmonics, basis functions, cutoff, indices."""

    def __init__(self):
        self._given, self._spread, self._pairs, self._inside = None, None, None, None

    def of(self, edge_index: torch.Tensor) -> Pairs | None:
        """The pairs whose `index` this is, or that its caller has not spread; None: they are in MACE's order."""
        known = self._pairs is not None and (edge_index is self._pairs.index or edge_index is self._inside)
        return self._pairs if known else None

    def wrapped(self, forward, reordered):
        """`forward` of a class of interactions, with its pairs in the order of blocks where `reordered` lets it."""
        signature = inspect.signature(forward)

        def of_blocks(*words, **named):
            bound = signature.bind(*words, **named)
            given = bound.arguments
            if given.get("lammps_class") is not None or given["edge_index"].device.type != "cpu":
                return forward(*words, **named)

            def other():
                spread = self._of_step(given)
                if not _shows_empty_rows(given["self"]):
                    return forward(**{**given, **spread})
                self._inside = given["edge_index"]
                try:
                    return forward(**given)
                finally:
                    self._inside = None

            inputs = [given[name] for name in ("node_feats", "edge_attrs", "edge_feats")]
            return reordered(given["self"], inputs, lambda: forward(**given), other)

        return of_blocks

    def _of_step(self, given):
        """The same for all interactions of a step, which have the same tensors."""
        names = [name for name in ("edge_attrs", "edge_feats", "cutoff") if given.get(name) is not None]
        tensors = [given[name] for name in names]
        if (
            self._given is None
            or len(tensors) != len(self._given)
            or any(a is not b for a, b in zip(tensors, self._given, strict=True))
        ):
            self._pairs = grouped(given["edge_index"], len(given["node_feats"]))
            spread = {name: self._pairs.spread(each) for name, each in zip(names, tensors, strict=True)}
            self._given, self._spread = tensors, {**spread, "edge_index": self._pairs.index}
        return self._spread


def _shows_empty_rows(interaction) -> bool:
    """Whether it adds up something of pairs that is not zero where basis functions and harmonics are.

    Sums of messages have harmonics as a factor. A density has none, and its network has biases in non-linear
    interactions.
    """
    density = getattr(interaction, "density_fn", None)
    return density is not None and type(density).__name__ != "FullyConnectedNet"
