"""Sums over neighbours, A[i, c] = Σ_j R_c(r_ij) h[j, c] ⊗ Y(r̂_ij) coupled: one batched product for each path.

mace-torch stores all products of all pairs and then sums over j. Here the pairs of an atom are rows of a matrix, so
that the sum is a product of matrices, and what is coupled of a pair has no channels. Blocks of atoms are treated one
after the other; what is as large as pairs times channels is made anew on the way back and never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lamplighter.potentials.torch_fast.neighbours import Block, Grouped, rows_of
from lamplighter.potentials.torch_fast.radial import RadialTables


@dataclass(frozen=True)
class Path:
    """How features of degree l1 and harmonics become sums of degree l3.

    Attributes:
        l1, l3: Degrees.
        start: Of its columns among the coupled harmonics, (2 l1 + 1) · (2 l3 + 1) of them.
        place: Which of the paths to degree l3 it is.
    """

    l1: int
    l3: int
    start: int
    place: int

    def columns(self, channels: int) -> slice:
        """Of the sums of degree l3."""
        return slice(self.place * channels, (self.place + 1) * channels)


@dataclass(frozen=True)
class Pairs:
    """What the sums know of this step's pairs.

    Attributes:
        senders: (npairs + 1,) int64; the last stands for no pair, and is not there where pairs are in slots.
        row, x, by_r: Where their distances lie in the tables, as many; see `RadialTables.rows`.
        grouped: By receivers.
    """

    senders: torch.Tensor
    row: torch.Tensor
    x: torch.Tensor
    by_r: torch.Tensor
    grouped: Grouped


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: torch.Tensor,
        coupled: torch.Tensor,
        r: torch.Tensor,
        pairs: Pairs,
        paths: tuple[Path, ...],
        l_max: int,
        tables: RadialTables,
    ) -> tuple[torch.Tensor, ...]:
        in_place = pairs.grouped.slot_of_pair is None
        padded = coupled if in_place else torch.cat((coupled, coupled.new_zeros(1, coupled.shape[1])))
        channels, nlocal = features.shape[2], pairs.grouped.natoms
        found = [
            features.new_empty(2 * degree + 1, nlocal, sum(p.l3 == degree for p in paths) * channels)
            for degree in range(l_max + 1)
        ]
        for block in pairs.grouped.blocks:
            slots = block.slots
            radial = tables.values(pairs.row[slots], pairs.x[slots]) @ tables.outputs
            sent = features.index_select(0, pairs.senders[slots])
            harmonics = rows_of(padded, slots)
            for number, path in enumerate(paths):
                weighted = _rows(_weighted(radial, sent, number, path), block)
                sums = torch.bmm(_matrix(harmonics, path, block).transpose(1, 2), weighted)
                found[path.l3][:, block.atoms, path.columns(channels)] = sums.transpose(0, 1)
        ctx.save_for_backward(features, padded)
        ctx.rest = pairs, paths, tables
        return tuple(rows_of(each, pairs.grouped.place, dim=1) for each in found)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        features, padded = ctx.saved_tensors
        pairs, paths, tables = ctx.rest
        channels = features.shape[2]
        wanted = ctx.needs_input_grad[0]
        of_found = [rows_of(each, pairs.grouped.order, dim=1) for each in grads]
        of_features = torch.zeros_like(features) if wanted else None
        of_coupled = padded.new_empty(pairs.grouped.nslots, padded.shape[1])
        of_place = padded.new_empty(pairs.grouped.nslots)
        outputs = tables.outputs.T.contiguous()
        for block in pairs.grouped.blocks:
            slots = block.slots
            basis, slope = tables.values_and_slopes(pairs.row[slots], pairs.x[slots])
            radial = basis @ tables.outputs
            senders = pairs.senders[slots]
            sent = features.index_select(0, senders)
            harmonics = rows_of(padded, slots)
            of_radial = torch.empty_like(radial)
            of_sent = torch.zeros_like(sent) if wanted else None
            of_harmonics = of_coupled[block.places]
            for number, path in enumerate(paths):
                of_sums = of_found[path.l3][:, block.atoms, path.columns(channels)].transpose(0, 1)
                weighted = _rows(_weighted(radial, sent, number, path), block)
                couplings = slice(path.start, path.start + (2 * path.l1 + 1) * (2 * path.l3 + 1))
                of_harmonics[:, couplings] = torch.bmm(weighted, of_sums.transpose(1, 2)).view(len(senders), -1)
                of_weighted = torch.bmm(_matrix(harmonics, path, block), of_sums)
                of_weighted = of_weighted.view(len(senders), 2 * path.l1 + 1, channels)
                mine = slice(path.l1**2, (path.l1 + 1) ** 2)
                one = slice(number * channels, (number + 1) * channels)
                if path.l1 == 0:
                    torch.mul(of_weighted[:, 0], sent[:, 0], out=of_radial[:, one])
                else:
                    of_radial[:, one] = (of_weighted * sent[:, mine]).sum(dim=1)
                if of_sent is not None:
                    of_sent[:, mine].addcmul_(of_weighted, radial[:, one].unsqueeze(1))
            of_place[block.places] = ((of_radial @ outputs) * slope).sum(dim=1)
            if of_features is not None and of_sent is not None:
                of_features.index_add_(0, senders, of_sent)
        of_pairs = pairs.grouped.slot_of_pair
        of_place = rows_of(of_place, of_pairs)
        of_r = of_place * pairs.by_r[: len(of_place)]
        return of_features, rows_of(of_coupled, of_pairs), of_r, None, None, None, None


def _weighted(radial: torch.Tensor, sent: torch.Tensor, number: int, path: Path) -> torch.Tensor:
    """Features of the senders times the radial functions of a path, (slots, 2 l1 + 1, channels)."""
    channels = sent.shape[2]
    weights = radial[:, number * channels : (number + 1) * channels].unsqueeze(1)
    return weights * sent[:, path.l1**2 : (path.l1 + 1) ** 2]


def _rows(weighted: torch.Tensor, block: Block) -> torch.Tensor:
    """(atoms, neighbours · components, channels)"""
    return weighted.reshape(block.natoms, -1, weighted.shape[2])


def _matrix(harmonics: torch.Tensor, path: Path, block: Block) -> torch.Tensor:
    """The coupled harmonics of a path, (atoms, neighbours · (2 l1 + 1), 2 l3 + 1)."""
    size = (2 * path.l1 + 1) * (2 * path.l3 + 1)
    return harmonics[:, path.start : path.start + size].reshape(block.natoms, -1, 2 * path.l3 + 1)


def convolve(
    features: torch.Tensor,
    coupled: torch.Tensor,
    r: torch.Tensor,
    pairs: Pairs,
    paths: tuple[Path, ...],
    l_max: int,
    tables: RadialTables,
) -> tuple[torch.Tensor, ...]:
    """Sums over the neighbours of each atom, differentiable by features, harmonics and distances.

    Args:
        features: (ntotal, components, channels).
        coupled: (npairs, columns of all paths), harmonics times couplings.
        r: (npairs,) Å.
        pairs: Of this step.
        paths: As the columns of the tables' outputs have them, each with all channels.
        l_max: Highest degree of the sums.
        tables: Radial functions.

    Returns:
        For each degree (2 degree + 1, nlocal, paths · channels).
    """
    found: tuple[torch.Tensor, ...] = _Convolution.apply(features, coupled, r, pairs, paths, l_max, tables)
    return found
