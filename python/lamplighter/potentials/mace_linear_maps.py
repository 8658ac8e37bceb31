"""Linear maps of a MACE model as matrices, read off by applying its own modules to unit vectors.

Every normalisation of e3nn is inside; nothing is assumed about how e3nn stores its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lamplighter.errors import ModelError


class NotCovered(ModelError):
    """The native engine has no equivalent of something in the model; the bridge has."""


def doubles(values: Any) -> np.ndarray:
    """A float64 array of at least one dimension."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy()
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def channels_by_degree(irreps: Any, what: str) -> list[int]:
    """Channels of the degrees 0, 1, ... of features whose parity is that of the spherical harmonics."""
    channels = []
    for degree, (mul, ir) in enumerate(irreps):
        if ir.l != degree or ir.p != (-1) ** degree:
            raise NotCovered(f"{what} {irreps}")
        channels.append(int(mul))
    return channels


def affine_of(function: Callable[[torch.Tensor], torch.Tensor], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """What a function does to unit vectors, and to none: the matrix (in, out) and the bias (out)."""
    bias = function(torch.zeros(1, dim, dtype=torch.float64))
    return doubles(function(torch.eye(dim, dtype=torch.float64)) - bias), doubles(bias)[0]


def matrix_of(linear: Any) -> np.ndarray:
    """What a linear module does to unit vectors: (in, out)."""
    dim = linear.irreps_in.dim
    if float(linear(torch.zeros(1, dim)).abs().max()) != 0.0:
        raise NotCovered("a linear layer with a bias")
    return doubles(linear(torch.eye(dim)))


def blocks_of(linear: Any) -> list[np.ndarray]:
    """What a linear module does to the channels of each degree: (channels in, channels out)."""
    return blocks_by_degree(matrix_of(linear), linear.irreps_in, linear.irreps_out)


def blocks_by_degree(matrix: np.ndarray, irreps_in: Any, irreps_out: Any) -> list[np.ndarray]:
    """Per degree (channels in, channels out): the first components stand for all of them."""
    blocks = []
    for (_, ir_in), (_, ir_out), rows, columns in zip(
        irreps_in, irreps_out, irreps_in.slices(), irreps_out.slices(), strict=False
    ):
        if ir_in != ir_out:
            raise NotCovered(f"a linear layer from {irreps_in} to {irreps_out}")
        blocks.append(matrix[rows.start : rows.stop : ir_in.dim, columns.start : columns.stop : ir_in.dim])
    return blocks


def silu_factor(activation: Any) -> float:
    """The constant by which an activation is silu times it."""
    x = torch.linspace(-3.0, 3.0, 7)
    if hasattr(activation, "irreps_in"):  # e3nn's Activation acts on features of a fixed width
        x = x[:, None].expand(-1, activation.irreps_in.dim)
    y, silu = activation(x), torch.nn.functional.silu(x)
    factor = float((y.flatten()[-1] / silu.flatten()[-1]).double())
    if not torch.allclose(y, factor * silu, rtol=1e-6, atol=1e-9):
        raise NotCovered("an activation other than silu")
    return factor


def matrices_of_perceptron(network: Any, factor_of: Callable[[Any], float] = silu_factor) -> list[np.ndarray]:
    """Matrices of an e3nn FullyConnectedNet with plain activations between them, of which `factor_of` gives the factor.

    Raises:
        NotCovered: another network, or what `factor_of` raises.
    """
    if type(network).__name__ != "FullyConnectedNet":
        raise NotCovered(f"the radial network {type(network).__name__}")
    matrices, before = [], 1.0
    for layer in network:
        matrix = before * doubles(layer.weight)
        if layer.act is None:
            matrices.append(matrix / (layer.h_in * layer.var_in / layer.var_out) ** 0.5)
            before = 1.0
        else:
            matrices.append(matrix / (layer.h_in * layer.var_in) ** 0.5)
            before = factor_of(layer.act) * layer.var_out**0.5
    return matrices
