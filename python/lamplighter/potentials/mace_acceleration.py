"""The same MACE network with its message passing reordered: fewer and smaller arrays per pair, equal forces.

Two parts of a MACE interaction cost most of a step on a CPU, and both only depend on a pair's vector:

- the radial network, a multilayer perceptron of the distance. Its outputs w_p(r) span a space of few dimensions, so
  they are written as w(r) = u(r) V with a splined u, one function per dimension, and a constant V (singular value
  decomposition of w on a grid);
- the tensor product of scalar features h_j with spherical harmonics, m_i,clm = Σ_j w_cl(r_ij) h_j,c Y_lm(r_ij).
  mace-torch stores all products of all pairs and then sums over j. Here pairs are laid out per receiving atom, padded
  to the largest number of neighbours, and the sum is one batched matrix product; its gradient is written by
  hand.

Both are drop-in modules: mace-torch's `forward` stays as it is. `accelerated` returns a network only if its forces
on a random cluster equal those of the original, so a model of another build than expected simply runs as it is.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import torch
from scipy.interpolate import make_interp_spline

_SHORTEST = 0.05  # Å; overlaps below 0.1 Å end the run before a model is asked
_KNOTS = 4000
_DEGREE = 5
_SINGULAR_VALUE_TOLERANCE = 1e-13  # of the largest
_FORCE_TOLERANCE = 1e-9  # of the largest pair force, at which the reordered network counts as equal

_ELIGIBLE = ("RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock")


@dataclass
class NeighbourLayout:
    """Pairs grouped by receiving atom, each group padded to the longest.

    Attributes:
        atoms: Number of receiving atoms, N.
        longest: Pairs of the atom that has most, K.
        slot: (npairs,) int64, row of each pair in the padded (N·K) layout; None: its own.
    """

    atoms: int
    longest: int
    slot: torch.Tensor | None

    @classmethod
    def of(cls, pair_i: torch.Tensor, atoms: int) -> NeighbourLayout:
        """Layout of pairs whose receivers `pair_i` (npairs,) are in ascending order."""
        counts = torch.bincount(pair_i, minlength=atoms)
        longest = int(counts.max()) if len(pair_i) else 0
        first = torch.cumsum(counts, 0) - counts
        slot = torch.arange(len(pair_i), device=pair_i.device) - first[pair_i] + pair_i * longest
        return cls(atoms, longest, slot)

    def pad(self, rows: torch.Tensor) -> torch.Tensor:
        """(npairs, width) → (N, K, width), zeros where there is no pair."""
        if self.slot is None:
            return rows.reshape(self.atoms, self.longest, rows.shape[1])
        padded = rows.new_zeros(self.atoms * self.longest, rows.shape[1])
        padded.index_copy_(0, self.slot, rows)
        return padded.view(self.atoms, self.longest, rows.shape[1])

    def unpad(self, padded: torch.Tensor) -> torch.Tensor:
        """(N, K, width) → (npairs, width)."""
        rows = padded.reshape(self.atoms * self.longest, padded.shape[2])
        return rows if self.slot is None else rows.index_select(0, self.slot)


class RadialTable(torch.nn.Module):
    """w(r) = u(r) V: quintic splines u (rank of them) of the distance, and a constant matrix V (rank, outputs).

    From the last point of the grid on, which is the cutoff, they are zero.
    """

    coefficients: torch.Tensor
    outputs: torch.Tensor

    def __init__(self, grid: np.ndarray, values: np.ndarray) -> None:
        """Splines through `values` (points, outputs) at `grid` (points,), equally spaced, in Å."""
        super().__init__()
        _, singular, rows = np.linalg.svd(values, full_matrices=False)
        rank = max(1, int((singular > _SINGULAR_VALUE_TOLERANCE * singular[0]).sum()))
        spline = make_interp_spline(grid, values @ rows[:rank].T, k=_DEGREE)
        left = grid[:-1]
        taylor = [spline(left, nu=power) / factorial(power) for power in range(_DEGREE, -1, -1)]
        taylor = [np.concatenate((each, np.zeros_like(each[:1]))) for each in taylor]
        self.first = float(grid[0])
        self.spacing = float(grid[1] - grid[0])
        # (intervals and what follows, powers, rank), highest power first
        self.register_buffer("coefficients", torch.from_numpy(np.ascontiguousarray(np.stack(taylor, axis=1))))
        self.register_buffer("outputs", torch.from_numpy(np.ascontiguousarray(rows[:rank])))

    def basis(self, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """u(r) and du/dr, each (npairs, rank), of distances (npairs,)."""
        from_first = r - self.first
        interval = (from_first / self.spacing).long().clamp_(0, self.coefficients.shape[0] - 1)
        # an integer tensor times a float would have torch's default type, not that of r
        x = (from_first - interval.to(r.dtype) * self.spacing).unsqueeze(1)
        c = self.coefficients[interval]
        u, slope = c[:, 0] * x + c[:, 1], c[:, 0]
        for power in range(2, _DEGREE + 1):
            slope = torch.addcmul(u, slope, x)
            u = torch.addcmul(c[:, power], u, x)
        return u, slope


class _Weights(torch.autograd.Function):
    """w(r) of a `RadialTable`, (npairs, outputs), and its gradient."""

    @staticmethod
    def forward(ctx: Any, r: torch.Tensor, table: RadialTable) -> torch.Tensor:
        u, slope = table.basis(r)
        ctx.save_for_backward(slope, table.outputs)
        return u @ table.outputs

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        slope, outputs = ctx.saved_tensors
        return ((grads[0] @ outputs.T) * slope).sum(dim=1), None


def _blocks(ells: int, channels: int) -> list[tuple[slice, slice, slice]]:
    """Where the products of equal l stand in an (N, ells·channels, ells²) array."""
    return [
        (slice(None), slice(ell * channels, (ell + 1) * channels), slice(ell * ell, (ell + 1) ** 2))
        for ell in range(ells)
    ]


class _Convolution(torch.autograd.Function):
    """m_i,clm = Σ_j w_lc(r_ij) h_jc Y_lm(r_ij), (N, channels·(ell_max+1)²) in e3nn's order of irreps."""

    @staticmethod
    def forward(
        ctx: Any,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        r: torch.Tensor,
        pair_j: torch.Tensor,
        table: RadialTable,
        layout: NeighbourLayout,
    ) -> torch.Tensor:
        channels = features.shape[1]
        ells = table.outputs.shape[1] // channels
        u, slope = table.basis(r)
        weights = (u @ table.outputs).view(-1, ells, channels)
        senders = features.index_select(0, pair_j).unsqueeze(1)
        weighted = layout.pad((weights * senders).view(-1, ells * channels))
        angular = layout.pad(harmonics)
        ctx.save_for_backward(weights, senders, weighted, angular, slope, pair_j, table.outputs)
        ctx.layout, ctx.features_shape = layout, features.shape
        # all l with all m in one product, of which the blocks of equal l are wanted: small matrices are what costs
        product = torch.bmm(weighted.transpose(1, 2), angular)
        return torch.cat([product[block].reshape(layout.atoms, -1) for block in _blocks(ells, channels)], dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weights, senders, weighted, angular, slope, pair_j, outputs = ctx.saved_tensors
        layout: NeighbourLayout = ctx.layout
        _, ells, channels = weights.shape
        grad_product = grads[0].new_zeros(layout.atoms, ells * channels, ells * ells)
        for ell, block in enumerate(_blocks(ells, channels)):
            grad_message = grads[0][:, channels * ell * ell : channels * (ell + 1) ** 2]
            grad_product[block] = grad_message.view(layout.atoms, channels, 2 * ell + 1)
        grad_weighted = torch.bmm(angular, grad_product.transpose(1, 2))
        grad_angular = torch.bmm(weighted, grad_product)
        grad_pairs = layout.unpad(grad_weighted).view(-1, ells, channels)
        grad_features = None
        if ctx.needs_input_grad[0]:
            to_senders = (grad_pairs * weights).sum(dim=1)
            grad_features = to_senders.new_zeros(ctx.features_shape).index_add_(0, pair_j, to_senders)
        grad_basis = (grad_pairs * senders).view(-1, ells * channels) @ outputs.T
        return grad_features, layout.unpad(grad_angular), (grad_basis * slope).sum(dim=1), None, None, None


class TabulatedWeights(torch.nn.Module):
    """Takes the place of an interaction's radial network; its input is the distance, (npairs, 1)."""

    def __init__(self, table: RadialTable) -> None:
        super().__init__()
        self.table = table

    def forward(self, r: torch.Tensor) -> torch.Tensor:
        return _Weights.apply(r.squeeze(1), self.table)


class ScalarConvolution(torch.nn.Module):
    """Takes the place of an interaction's tensor product and neighbour sum, where node features are scalars.

    mace-torch calls it as it calls a fused convolution: features, harmonics, weights, (senders, receivers).
    """

    def __init__(self, table: RadialTable) -> None:
        super().__init__()
        self.table = table
        self.layout: NeighbourLayout | None = None

    def forward(
        self, features: torch.Tensor, harmonics: torch.Tensor, r: torch.Tensor, edge_index: torch.Tensor
    ) -> torch.Tensor:
        assert self.layout is not None
        return _Convolution.apply(features, harmonics, r.squeeze(1), edge_index[0], self.table, self.layout)


class _Distances(torch.nn.Module):
    """Takes the place of the radial embedding: hands the distance on."""

    def forward(self, lengths: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None]:
        return lengths, None


def set_layout(network: torch.nn.Module, pair_i: torch.Tensor, atoms: int, longest: int = 0) -> None:
    """Tell the reordered convolutions of a network (if it has any) how this step's pairs are laid out.

    Args:
        network: ML-IAP wrapped.
        pair_i: (npairs,) int64, receivers in ascending order.
        atoms: How many receivers there are.
        longest: Places for the pairs of each, where pairs are in places already; 0: they are not.
    """
    products = [getattr(interaction, "conv_tp", None) for interaction in network.model.interactions]
    convolutions = [product for product in products if isinstance(product, ScalarConvolution)]
    if convolutions:
        layout = NeighbourLayout(atoms, longest, None) if longest else NeighbourLayout.of(pair_i, atoms)
        for convolution in convolutions:
            convolution.layout = layout


def accelerated(network: torch.nn.Module) -> torch.nn.Module:
    """A copy of an ML-IAP wrapped MACE network (float64, CPU) that gives equal forces sooner, or the network itself.

    Eligible: interactions `RealAgnostic[Residual]InteractionBlock` with a radial embedding of the distance alone (no
    Agnesi or soft transform, which depend on the elements).
    """
    if not _is_eligible(network.model):
        return network
    fast = copy.deepcopy(network)
    grid = np.linspace(_SHORTEST, float(network.r_max), _KNOTS)
    for interaction in fast.model.interactions:
        table = RadialTable(grid, _radial_weights(fast.model, interaction, grid))
        if interaction.node_feats_irreps.lmax == 0 and _is_plain_product(interaction):
            interaction.conv_tp_weights = torch.nn.Identity()
            interaction.conv_tp = ScalarConvolution(table)
            interaction.conv_fusion = True
        else:
            interaction.conv_tp_weights = TabulatedWeights(table)
    fast.model.radial_embedding = _Distances()
    return fast if _same_forces(network, fast) else network


def _is_eligible(model: Any) -> bool:
    embedding = model.radial_embedding
    return (
        all(type(interaction).__name__ in _ELIGIBLE for interaction in model.interactions)
        and not any(hasattr(interaction, "conv_fusion") for interaction in model.interactions)
        and not hasattr(embedding, "distance_transform")
    )


def _is_plain_product(interaction: Any) -> bool:
    """Whether the product is one path per l, each with its own weight per channel."""
    product = interaction.conv_tp
    channels = interaction.linear_up.irreps_out.num_irreps
    ell_max = interaction.edge_attrs_irreps.lmax
    return (
        product.weight_numel == channels * (ell_max + 1)
        and product.irreps_out.dim == channels * (ell_max + 1) ** 2
        and interaction.linear_up.irreps_out.lmax == 0
    )


@torch.no_grad()
def _radial_weights(model: Any, interaction: Any, grid: np.ndarray) -> np.ndarray:
    """The weights of an interaction's tensor product at distances `grid`: (points, outputs)."""
    lengths = torch.from_numpy(grid).unsqueeze(1)
    node_attrs = torch.zeros(1, len(model.atomic_numbers), dtype=torch.float64)
    node_attrs[0, 0] = 1.0
    to_itself = torch.zeros(2, len(grid), dtype=torch.int64)
    features, cutoff = model.radial_embedding(lengths, node_attrs, to_itself, model.atomic_numbers)
    weights = interaction.conv_tp_weights(features)
    return np.asarray(weights if cutoff is None else weights * cutoff)


def on_random_cluster(
    network: torch.nn.Module, device: torch.device | None = None, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies of atoms (eV) and forces of pairs (eV/Å) of a cluster that is the same for networks of one cutoff.

    Args:
        network: ML-IAP wrapped.
        device, dtype: Where it is, and in what; results are float64 on the CPU.
    """
    generator = torch.Generator().manual_seed(1)
    atoms, r_max = 24, float(network.r_max)
    x = torch.rand(atoms, 3, generator=generator, dtype=torch.float64) * 1.2 * r_max
    vectors = x[None, :, :] - x[:, None, :]
    pair_i, pair_j = torch.nonzero((vectors.norm(dim=2) < r_max) & (vectors.norm(dim=2) > 0.6), as_tuple=True)
    species = torch.arange(atoms) % len(network.atomic_numbers)
    set_layout(network, pair_i.to(device), atoms)
    batch = {
        "vectors": vectors[pair_i, pair_j].to(device=device, dtype=dtype, copy=True),
        "node_attrs": torch.nn.functional.one_hot(species, len(network.atomic_numbers)).to(device=device, dtype=dtype),
        "edge_index": torch.stack((pair_j, pair_i)).to(device),
        "batch": torch.zeros(atoms, dtype=torch.int64, device=device),
        "lammps_class": None,
        "natoms": (atoms, 0),
    }
    _, energies, forces = network(batch)
    return energies.detach().to("cpu", torch.float64), forces.detach().to("cpu", torch.float64)


def _same_forces(network: torch.nn.Module, fast: torch.nn.Module) -> bool:
    """Whether two networks agree on the energies and pair forces of a random cluster."""
    (energies, forces), (energies_fast, forces_fast) = on_random_cluster(network), on_random_cluster(fast)
    scale = max(1.0, float(forces.abs().max()))
    return bool(
        (forces - forces_fast).abs().max() <= _FORCE_TOLERANCE * scale
        and (energies - energies_fast).abs().max() <= _FORCE_TOLERANCE * scale
    )
