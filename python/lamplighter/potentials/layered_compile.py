"""A network of tensor-product convolutions and gates as plain arrays for the native engine, whatever its framework.

`pair_styles/native/layered_parameters.h` says what the arrays mean. A framework's own module hands over the e3nn
modules of one interaction after the other (`Interaction`). Linear maps, couplings and gates are read off these modules
by applying them to unit vectors, so that every normalisation is inside and nothing is assumed of how e3nn stores
weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lamplighter.potentials.mace_compile import DifferentArchitectures, require_same_shared
from lamplighter.potentials.mace_linear_maps import NotCovered, affine_of, doubles, matrices_of_perceptron

FORMAT = "lamplighter-layers"
VERSION = "1"
LARGEST_DEGREE = 3

Arrays = dict[str, np.ndarray]

_SILU, _TANH, _SOFTPLUS, _ABS, _RELU, _SIGMOID = 1, 2, 3, 4, 5, 6
_FUNCTIONS: dict[int, Callable[[torch.Tensor], torch.Tensor]] = {
    _SILU: torch.nn.functional.silu,
    _TANH: torch.tanh,
    _SOFTPLUS: lambda x: torch.nn.functional.softplus(x) - float(np.log(2.0)),
    _ABS: torch.abs,
    _RELU: torch.relu,
    _SIGMOID: torch.sigmoid,
}


@dataclass(frozen=True)
class Interaction:
    """The modules of one interaction, in float64 on the CPU.

    Attributes:
        send: Features to those that neighbours receive, (rows, in) to (rows, sent), one map a species of the sender, or
            one for all; a bias is allowed.
        convolution: An e3nn TensorProduct of sent features, harmonics and weights, all paths "uvu".
        perceptron: Matrices of the radial network, (in, out), and the number of the activation between them.
        mix: Sums over neighbours to what the gate takes.
        divide: By what sums are divided.
        own: An atom's own features to what the gate takes, one map a species, or one for all; none: no such part.
        gate: An e3nn Gate.
        irreps_in: Of the features that the interaction takes.
    """

    send: list[Callable[[torch.Tensor], torch.Tensor]]
    convolution: Any
    perceptron: list[np.ndarray]
    mix: Callable[[torch.Tensor], torch.Tensor]
    divide: float
    own: list[Callable[[torch.Tensor], torch.Tensor]]
    gate: Any
    irreps_in: Any


def integers(*values: int) -> np.ndarray:
    """An array of int64."""
    return np.array(values, dtype=np.int64)


def together(models: Sequence[Arrays]) -> Arrays:
    """The arrays of several models of one architecture in one file, from those of each.

    Raises:
        DifferentArchitectures: naming what differs.
    """
    first = "member.0."
    arrays = dict(models[0]) | {"members": integers(len(models))}
    for number, model in enumerate(models[1:], start=1):
        names = {name for name in model if name.startswith(first)}
        require_same_shared(_shared(models[0]), _shared(model), number, len(models))
        shapes = {name: model[name].shape for name in names}
        expected = {name: value.shape for name, value in models[0].items() if name.startswith(first)}
        if shapes != expected:
            name = sorted(set(shapes.items()) ^ set(expected.items()))[0][0]
            raise DifferentArchitectures(
                f"model {number + 1} differs from the first in {name!r}: models of one file must have the same "
                "architecture"
            )
        arrays |= {f"member.{number}.{name.removeprefix(first)}": model[name] for name in names}
    return arrays


def _shared(model: Arrays) -> Arrays:
    return {name: value for name, value in model.items() if not name.startswith("member.") and name != "members"}


def activation_of(function: Callable[[torch.Tensor], torch.Tensor]) -> tuple[int, float]:
    """Which of the known functions an activation is, and times what: e3nn normalises them.

    Raises:
        NotCovered: it is none of them.
    """
    x = torch.linspace(-3.0, 3.0, 8, dtype=torch.float64)
    y = function(x)
    for number, known in _FUNCTIONS.items():
        z = known(x)
        factor = float((y * z).sum() / (z * z).sum())
        if torch.allclose(y, factor * z, rtol=1e-6, atol=1e-9):
            return number, factor
    raise NotCovered("an activation other than silu, tanh, shifted softplus, abs, relu and sigmoid")


def perceptron_of(network: Any, largest: int = _SOFTPLUS) -> tuple[list[np.ndarray], int]:
    """Matrices of an e3nn FullyConnectedNet and the activation between them, whose factor is in the matrices.

    Raises:
        NotCovered: another network, or another activation.
    """
    used = _SILU

    def factor_of(activation: Any) -> float:
        nonlocal used
        used, factor = activation_of(activation)
        if used > largest:
            raise NotCovered("the activation of a radial network")
        return factor

    return matrices_of_perceptron(network, factor_of), used


def interaction_arrays(interaction: Interaction) -> Arrays:
    """The arrays of one interaction.

    Raises:
        NotCovered: naming the part that the native engine has no equivalent of.
    """
    convolution = interaction.convolution
    arrays, sums = _paths(convolution)
    features = _blocks(interaction.irreps_in)
    sent = _blocks(convolution.irreps_in1)
    mixed, gate = _gate(interaction.gate)
    arrays["in"] = _degrees_and_channels(features)
    arrays["sent"] = _degrees_and_channels(sent)
    arrays["mixed"] = _degrees_and_channels(mixed)
    arrays["sums"] = integers(*(block.l for block in sums))
    arrays |= gate
    arrays |= {f"perceptron.{k}": matrix for k, matrix in enumerate(interaction.perceptron)}
    dim_in = int(sum(block.channels * (2 * block.l + 1) for block in features))
    arrays |= _map("send", [affine_of(send, dim_in) for send in interaction.send], features, sent)
    matrix, bias = affine_of(interaction.mix, convolution.irreps_out.dim)
    arrays |= _map("mix", [(matrix / interaction.divide, bias)], sums, mixed)
    arrays |= _map("own", [affine_of(own, dim_in) for own in interaction.own], features, mixed)
    return arrays


@dataclass(frozen=True)
class _Block:
    """Tensors of one kind: degree, parity, and where the components m = 0 of its channels lie in e3nn's features."""

    l: int  # noqa: E741 (its name in physics)
    p: int
    places: np.ndarray

    @property
    def channels(self) -> int:
        return len(self.places)


def _blocks(irreps: Any) -> list[_Block]:
    blocks = []
    for (mul, ir), slot in zip(irreps, irreps.slices(), strict=True):
        if ir.l > LARGEST_DEGREE:
            raise NotCovered(f"features of degree {ir.l} (covered: {LARGEST_DEGREE})")
        blocks.append(_Block(ir.l, ir.p, slot.start + ir.dim * np.arange(mul)))
    return blocks


def _degrees_and_channels(blocks: Sequence[_Block]) -> np.ndarray:
    return np.array([(block.l, block.channels) for block in blocks], dtype=np.int64)


def _map(name: str, maps: list[tuple[np.ndarray, np.ndarray]], ins: Sequence[_Block], outs: Sequence[_Block]) -> Arrays:
    """A linear map between features: one matrix for each pair of blocks of one kind, and the bias of scalars."""
    arrays: Arrays = {}
    pairs: list[tuple[int, int]] = []
    seen = [np.zeros_like(matrix) for matrix, _ in maps]
    for i, before in enumerate(ins if maps else ()):
        for o, after in enumerate(outs):
            if (before.l, before.p) != (after.l, after.p):
                continue
            blocks = np.stack([matrix[np.ix_(before.places, after.places)] for matrix, _ in maps])
            for copy in seen:
                for m in range(2 * before.l + 1):
                    copy[np.ix_(before.places + m, after.places + m)] = 1.0
            if not np.any(blocks):
                continue
            arrays[f"{name}.{len(pairs)}"] = blocks
            pairs.append((i, o))
    for (matrix, _), covered in zip(maps, seen, strict=True):
        if np.abs(matrix[covered == 0.0]).max(initial=0.0) > 1e-9:
            raise NotCovered("a linear layer that mixes features of different kinds")
    biases = [bias for _, bias in maps]
    for o, after in enumerate(outs):
        if biases and after.l == 0 and np.any(biases[0][after.places]):
            if any(not np.array_equal(bias, biases[0]) for bias in biases):
                raise NotCovered("a bias that depends on the element")
            arrays[f"{name}.bias.{o}"] = biases[0][after.places]
    arrays[f"{name}.pairs"] = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return arrays


def _paths(convolution: Any) -> tuple[Arrays, list[_Block]]:
    """Paths with their couplings, and the sums that they lead to: one block a kind, with the channels of all paths."""
    in1, in2, out = convolution.irreps_in1, convolution.irreps_in2, convolution.irreps_out
    slots1, slots2, slots3 = in1.slices(), in2.slices(), out.slices()
    kinds: list[tuple[int, int]] = []
    places: list[list[np.ndarray]] = []
    paths: list[tuple[int, int, int]] = []
    coupled: list[tuple[int, ...]] = []
    values: list[float] = []
    at = 0
    for instruction in convolution.instructions:
        if instruction.connection_mode != "uvu" or not instruction.has_weight or in2[instruction.i_in2].mul != 1:
            raise NotCovered(f"a tensor product of the kind {instruction.connection_mode}")
        (mul, ir1), (_, ir2), (_, ir3) = in1[instruction.i_in1], in2[instruction.i_in2], out[instruction.i_out]
        if max(ir1.l, ir2.l, ir3.l) > LARGEST_DEGREE:
            raise NotCovered(f"a path of degrees {ir1.l}, {ir2.l} and {ir3.l} (covered: {LARGEST_DEGREE})")
        kind = (ir3.l, ir3.p)
        if kind not in kinds:
            kinds.append(kind)
            places.append([])
        to = kinds.index(kind)
        slot = slots3[instruction.i_out]
        places[to].append(slot.start + ir3.dim * np.arange(mul))
        x = torch.zeros(ir1.dim, ir2.dim, in1.dim, dtype=torch.float64)
        y = torch.zeros(ir1.dim, ir2.dim, in2.dim, dtype=torch.float64)
        w = torch.zeros(ir1.dim * ir2.dim, convolution.weight_numel, dtype=torch.float64)
        for m in range(ir1.dim):
            x[m, :, slots1[instruction.i_in1].start + m] = 1.0
        for m in range(ir2.dim):
            y[:, m, slots2[instruction.i_in2].start + m] = 1.0
        w[:, at] = 1.0
        found = doubles(convolution(x.flatten(0, 1), y.flatten(0, 1), w)[:, slot.start : slot.start + ir3.dim])
        found = found.reshape(ir1.dim, ir2.dim, ir3.dim)
        indices = np.argwhere(np.abs(found) > 1e-12)
        coupled += [(len(paths), *index) for index in indices.tolist()]
        values += found[tuple(indices.T)].tolist()
        paths.append((instruction.i_in1, ir2.l, to))
        at += mul
    blocks = [_Block(*kind, np.concatenate(each)) for kind, each in zip(kinds, places, strict=True)]
    arrays = {
        "paths": np.array(paths, dtype=np.int64),
        "couplings": np.array(values, dtype=np.float64),
        "coupling_places": np.array(coupled, dtype=np.int64).reshape(-1, 4),
    }
    return arrays, blocks


def _gate(gate: Any) -> tuple[list[_Block], Arrays]:
    """The blocks that a gate takes, and what it does with them."""
    if type(gate).__name__ != "Gate":
        raise NotCovered(f"the nonlinearity {type(gate).__name__}")
    picks = [_picked(matrix) for matrix in gate.sc(torch.eye(gate.irreps_in.dim, dtype=torch.float64))]
    scalars = _blocks_at(gate.irreps_scalars, picks[0])
    gates = _blocks_at(gate.irreps_gates, picks[1])
    gated = _blocks_at(gate.irreps_gated, picks[2])
    scalar_acts = _activations(gate.act_scalars, gate.irreps_scalars)
    gate_acts = _activations(gate.act_gates, gate.irreps_gates)
    rows, factors = [], []
    for k, (number, factor) in enumerate(scalar_acts):
        rows.append((k, -1, number))
        factors.append(factor)
    # a gate's block may serve several blocks that are gated: it is cut into their parts
    flat = np.concatenate([block.places for block in gates]) if gates else np.array([], dtype=np.int64)
    kinds = [(act, block.p) for act, block in zip(gate_acts, gates, strict=True) for _ in block.places]
    parts, start = [], 0
    for k, block in enumerate(gated):
        stop = start + block.channels
        if len(set(kinds[start:stop])) != 1:
            raise NotCovered("a gate of several kinds of scalars")
        (number, factor), p = kinds[start]
        parts.append(_Block(0, p, flat[start:stop]))
        rows.append((len(scalars) + len(gated) + k, len(scalars) + k, number))
        factors.append(factor)
        start = stop
    arrays = {"gate": np.array(rows, dtype=np.int64), "gate_factors": np.array(factors, dtype=np.float64)}
    return [*scalars, *parts, *gated], arrays


def _picked(matrix: torch.Tensor) -> np.ndarray:
    """Which input each output is."""
    numbers = doubles(matrix)
    if numbers.size and not (np.array_equal(np.sort(numbers, axis=0)[-1], np.ones(numbers.shape[1]))):
        raise NotCovered("a gate that does more than to pick its inputs")
    return numbers.argmax(axis=0) if numbers.size else np.array([], dtype=np.int64)


def _blocks_at(irreps: Any, picked: np.ndarray) -> list[_Block]:
    return [_Block(block.l, block.p, picked[block.places]) for block in _blocks(irreps)]


def _activations(activation: Any, irreps: Any) -> list[tuple[int, float]]:
    """Of each block of scalars of an e3nn Activation."""
    found = []
    given = activation.irreps_in
    if [(mul, ir) for mul, ir in given] == [(mul, ir) for mul, ir in irreps]:
        acts = list(activation.acts)
    else:  # e3nn merges equal neighbours in one of them
        if len({id(act) for act in activation.acts}) > 1 and len(irreps) != len(given):
            acts = []
            for _, ir in irreps:
                acts.append(next(act for (_, other), act in zip(given, activation.acts, strict=True) if other == ir))
        else:
            acts = [activation.acts[0]] * len(irreps)
    for act in acts:
        found.append(activation_of(act) if act is not None else (0, 1.0))
    return found
