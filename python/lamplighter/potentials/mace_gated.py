"""Parts of MACE's non-linear interaction (`RealAgnosticResidualNonLinearInteractionBlock`) as arrays.

Its radial networks know which elements send and receive, its sums over neighbours meet the atom's own features, and a
gate follows before the symmetric contraction: `pair_styles/native/mace_parameters.h` says what the arrays mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lamplighter.potentials.mace_linear_maps import NotCovered, blocks_by_degree, doubles, matrix_of

NAME = "RealAgnosticResidualNonLinearInteractionBlock"

Arrays = dict[str, np.ndarray]


def networks_of_species(interaction: Any, nelements: int, rows: list[int]) -> Arrays:
    """The radial network and that of the density; `rows` are the elements that are kept.

    What the first layer sees of the elements is the same for all distances of a pair of them: its biases.
    """
    one_hot = torch.eye(nelements)
    source = doubles(interaction.source_embedding(one_hot))[rows]
    target = doubles(interaction.target_embedding(one_hot))[rows]
    arrays = {"density_factors": doubles([float(interaction.alpha), float(interaction.beta)])}
    for name, network in (
        ("perceptron", interaction.conv_tp_weights),
        ("density_perceptron", interaction.density_fn),
    ):
        arrays |= _network(name, network, source, target)
    return arrays


def _network(name: str, network: Any, source: np.ndarray, target: np.ndarray) -> Arrays:
    kinds = [type(layer).__name__ for layer in network.net] if type(network).__name__ == "RadialMLP" else []
    if kinds != ["Linear", "LayerNorm", "SiLU"] * (len(kinds) // 3) + ["Linear"]:
        raise NotCovered(f"the radial network {type(network).__name__}")
    arrays = {}
    for k, layer in enumerate(network.net[::3]):
        weight, bias = doubles(layer.weight).T, doubles(layer.bias)
        if k == 0:
            nsource, ntarget = source.shape[1], target.shape[1]
            nbasis = len(weight) - nsource - ntarget
            sent, received = source @ weight[nbasis : nbasis + nsource], target @ weight[nbasis + nsource :]
            weight, bias = weight[:nbasis], bias + received[:, None] + sent[None, :]
        arrays[f"{name}.{k}"], arrays[f"{name}_bias.{k}"] = weight, bias
    for k, norm in enumerate(network.net[1::3]):
        if norm.eps != 1e-5 or norm.weight is None or norm.bias is None:
            raise NotCovered("a layer normalisation without weights, or with another constant than 1e-5")
        arrays[f"{name}_norm.{k}"] = np.stack([doubles(norm.weight), doubles(norm.bias)])
    return arrays


def gate_arrays(
    interaction: Any, channels: int, l_max: int, sums_of_scalars: np.ndarray, embedding: np.ndarray | None
) -> Arrays:
    """What stands between the sums over neighbours and the symmetric contraction.

    Args:
        interaction: The block.
        channels: Channels of a degree.
        l_max: Highest degree.
        sums_of_scalars: (paths to degree 0 times channels sent, (l_max + 1) channels), scalars and gates of `linear_1`.
        embedding: (elements, channels) of the first layer; None: a later one.
    """
    wanted = [(channels * (l_max + 1), 0), *((channels, degree) for degree in range(1, l_max + 1))]
    irreps = interaction.irreps_nonlin
    if [(mul, ir.l) for mul, ir in irreps] != wanted or any(ir.p != (-1) ** ir.l for _, ir in irreps):
        raise NotCovered(f"a gate of {irreps}")
    arrays = {"gate.factors": doubles(_factors(interaction.equivariant_nonlin, channels, l_max))}
    for degree in range(1, l_max + 1):
        arrays[f"gate.linear.{degree}"] = sums_of_scalars[:, degree * channels : (degree + 1) * channels]
    for degree, block in enumerate(
        blocks_by_degree(
            matrix_of(interaction.linear_2), interaction.linear_2.irreps_in, interaction.linear_2.irreps_out
        )
    ):
        arrays[f"gate.mix.{degree}"] = block
    own = matrix_of(interaction.linear_up) @ matrix_of(interaction.linear_res)
    before = interaction.linear_up.irreps_in
    into = irreps.slices()
    scalars = own[: before[0].dim, : channels * (l_max + 1)]
    if embedding is not None:
        arrays["gate.own_constant"] = (embedding @ scalars).reshape(len(embedding), l_max + 1, channels)
        return arrays
    arrays["gate.own.0"] = scalars[:, :channels]
    for degree in range(1, l_max + 1):
        arrays[f"gate.own_gates.{degree}"] = scalars[:, degree * channels : (degree + 1) * channels]
    for degree, rows in enumerate(before.slices()[: l_max + 1]):
        step = 2 * degree + 1
        if degree:
            arrays[f"gate.own.{degree}"] = own[
                rows.start : rows.stop : step, into[degree].start : into[degree].stop : step
            ]
    return arrays


def _factors(gate: Any, channels: int, l_max: int) -> tuple[float, float]:
    """By which the gate multiplies silu and the sigmoid, so that their second moments are one.

    Raises:
        NotCovered: its functions are others.
    """
    width = channels * (l_max + 1)
    x = torch.zeros(3, gate.irreps_in.dim)
    x[:, :channels] = torch.tensor([-1.5, 0.5, 2.0])[:, None]
    x[:, channels:width] = torch.tensor([-1.0, 0.0, 3.0])[:, None]
    x[:, width:] = 1.0
    y = gate(x)
    silu = y[:, 0] / torch.nn.functional.silu(x[:, 0])
    sigmoid = y[:, -1] / torch.sigmoid(x[:, width - 1]) if l_max else torch.ones(3)
    if not (torch.allclose(silu, silu[:1], rtol=1e-6) and torch.allclose(sigmoid, sigmoid[:1], rtol=1e-6)):
        raise NotCovered("a gate of other functions than silu and the sigmoid")
    return float(silu[0]), float(sigmoid[0])
