"""MACE's symmetric contraction as polynomials: products of the sums that occur, times constants, times weights.

Of all products of up to three sums few have a coefficient (77 of 816 for scalars of harmonics to degree 3), and each
occurs once here, whatever the order of its factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_NUMBERS_OF_A_BLOCK = 2**17
"""On a CPU: monomials times channels of a block of atoms, which then stay in the second-level cache, or near it."""


class Polynomial(torch.nn.Module):
    """One component of one degree, B[i, c] = Σ_k w[z_i, k, c] Σ_m M[k, m] (product m of A[i, c]).

    Args:
        terms: For each order, (indices of the sums (n, order), which weight (n,), value (n,)).
        weights: For each order, how many weights there are.
    """

    matrix: torch.Tensor
    singles: torch.Tensor
    pair_first: torch.Tensor
    pair_second: torch.Tensor
    triple_pair: torch.Tensor
    triple_third: torch.Tensor

    def __init__(self, terms: list[tuple[np.ndarray, np.ndarray, np.ndarray]], weights: list[int]) -> None:
        super().__init__()
        found = [_distinct(indices) for indices, _, _ in terms]
        singles = found[0][:, 0]
        triples = found[2] if len(found) > 2 else np.zeros((0, 3), dtype=np.int64)
        of_pairs = [found[1]] if len(found) > 1 else []
        pairs = _distinct(np.concatenate([*of_pairs, triples[:, :2]]))
        number = {tuple(pair): k for k, pair in enumerate(pairs.tolist())}
        places = [
            {tuple(each): k + start for k, each in enumerate(monomials.tolist())}
            for monomials, start in (
                (found[0], 0),
                (pairs, len(singles)),
                (triples, len(singles) + len(pairs)),
            )
        ]
        matrix = np.zeros((sum(weights), len(singles) + len(pairs) + len(triples)))
        for order, (indices, which, values) in enumerate(terms):
            columns = [places[order][tuple(each)] for each in np.sort(indices, axis=1).tolist()]
            np.add.at(matrix, (which + sum(weights[:order]), np.array(columns, dtype=np.int64)), values)
        self.register_buffer("matrix", torch.from_numpy(matrix))
        for name, values in (
            ("singles", singles),
            ("pair_first", pairs[:, 0]),
            ("pair_second", pairs[:, 1]),
            ("triple_pair", np.array([number[tuple(each)] for each in triples[:, :2].tolist()], dtype=np.int64)),
            ("triple_third", triples[:, 2]),
        ):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64)))

    def forward(self, sums: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """B, (n, channels).

        Args:
            sums: A, (components, n, channels).
            weights: w of each atom, (weights, n, channels).
        """
        found: torch.Tensor = _Contraction.apply(sums, weights, self)
        return found

    def size_of_block(self, sums: torch.Tensor) -> int:
        """How many atoms are treated together."""
        if sums.device.type != "cpu":
            return max(1, sums.shape[1])
        return max(8, _NUMBERS_OF_A_BLOCK // (self.matrix.shape[1] * sums.shape[2]))

    def products(self, sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Monomials of order 1, 2 and 3, each (number, n, channels)."""
        pairs = sums.index_select(0, self.pair_first) * sums.index_select(0, self.pair_second)
        triples = pairs.index_select(0, self.triple_pair) * sums.index_select(0, self.triple_third)
        return sums.index_select(0, self.singles), pairs, triples


def _distinct(indices: np.ndarray) -> np.ndarray:
    """Rows (n, order) with their numbers in ascending order, each once."""
    return np.unique(np.sort(indices, axis=1), axis=0) if len(indices) else indices


class _Contraction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: torch.Tensor, weights: torch.Tensor, of: Polynomial) -> torch.Tensor:
        _, atoms, channels = sums.shape
        found = sums.new_empty(atoms, channels)
        size = of.size_of_block(sums)
        for start in range(0, atoms, size):
            block = slice(start, start + size)
            products = torch.cat(of.products(sums[:, block]))
            paths = (of.matrix @ products.flatten(1)).view(len(of.matrix), -1, channels)
            found[block] = (paths * weights[:, block]).sum(dim=0)
        ctx.save_for_backward(sums, weights)
        ctx.of = of
        return found

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        sums, weights = ctx.saved_tensors
        of: Polynomial = ctx.of
        atoms = sums.shape[1]
        gradient = torch.empty_like(sums)
        transposed = of.matrix.T.contiguous()
        size = of.size_of_block(sums)
        ones, twos = len(of.singles), len(of.pair_first)
        for start in range(0, atoms, size):
            block = slice(start, start + size)
            mine = sums[:, block]
            first, second = mine.index_select(0, of.pair_first), mine.index_select(0, of.pair_second)
            pairs = first * second
            of_paths = weights[:, block] * grads[0][block]
            of_products = (transposed @ of_paths.flatten(1)).view(-1, *mine.shape[1:])
            of_single, of_pair, of_triple = of_products.split([ones, twos, len(of_products) - ones - twos])
            of_sums = torch.zeros_like(mine)
            of_sums.index_add_(0, of.singles, of_single)
            of_sums.index_add_(0, of.triple_third, of_triple * pairs.index_select(0, of.triple_pair))
            of_pair = of_pair.index_add(0, of.triple_pair, of_triple * mine.index_select(0, of.triple_third))
            of_sums.index_add_(0, of.pair_first, of_pair * second)
            of_sums.index_add_(0, of.pair_second, of_pair * first)
            gradient[:, block] = of_sums
        return gradient, None, None
