"""A NequIP model as plain arrays for the native engine: what `lamplighter compile` writes to a `.lamp` file.

The network is NequIP's own, as it loads it from a package or checkpoint, in float64; `layered_compile` reads the arrays
off its modules. They are told by the names of their classes, since a package brings classes of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers

from lamplighter.potentials.layered_compile import (
    Arrays,
    Interaction,
    activation_of,
    integers,
    interaction_arrays,
)
from lamplighter.potentials.mace_linear_maps import NotCovered, doubles

_POLYNOMIAL = 0
_SILU = 1

#: Modules of a model, beside its layers, that must be there once each.
_NEEDED = (
    "NodeTypeEmbed",
    "SphericalHarmonicEdgeAttrs",
    "EdgeLengthNormalizer",
    "BesselEdgeLengthEncoding",
    "ApplyFactor",
    "ScalarMLP",
    "PerTypeScaleShift",
    "AtomwiseReduce",
)
_LAYER = "ConvNetLayer"
_REPULSION = "ZBL"

ALLEGRO = "Allegro, whose features belong to pairs of atoms"


def in_float64(network: Any) -> Any:
    """The network with float64 arithmetic throughout, whatever precision it was made for."""
    network = network.double().eval()
    for module in network.modules():
        for name in ("_output_dtype", "model_dtype"):  # to which modules round what they made in float64
            if isinstance(getattr(module, name, None), torch.dtype):
                setattr(module, name, torch.float64)
    return network


def nequip_arrays(network: Any, elements: Sequence[str] | None = None) -> Arrays:
    """The arrays of one model.

    Args:
        network: NequIP's `GraphModel`, in float64.
        elements: Symbols to keep; None: all that the model knows.

    Raises:
        NotCovered: naming the part of the model that the native engine has no equivalent of.
    """
    return _Compiler(network, elements).arrays()


class _Compiler:
    def __init__(self, network: Any, elements: Sequence[str] | None) -> None:
        known = list(network.type_names)
        strange = [name for name in known if name not in atomic_numbers]
        if strange:
            raise NotCovered(f"atom types that are no elements: {' '.join(strange)}")
        chosen = sorted(set(elements or known), key=lambda symbol: int(atomic_numbers[symbol]))
        self.numbers = [int(atomic_numbers[symbol]) for symbol in chosen]
        self.rows = [known.index(symbol) for symbol in chosen]
        self.ntypes = len(known)
        self.r_max = float(network.metadata["r_max"])
        self.layers: list[Any] = []
        self.parts: dict[str, Any] = {}
        # versions without a switch for forces leave the sequence itself
        modules = list(getattr(network.model, "func", network.model).children())
        if any(type(module).__name__ == "Allegro_Module" for module in modules):
            raise NotCovered(ALLEGRO)
        for module in modules:
            name = type(module).__name__
            if name == _LAYER:
                self.layers.append(module)
            elif name not in (*_NEEDED, _REPULSION) or name in self.parts:
                raise NotCovered(f"NequIP's module {name}")
            else:
                self.parts[name] = module
        for name in _NEEDED:
            if name not in self.parts:
                raise NotCovered(f"a NequIP model without {name}")

    def arrays(self) -> Arrays:
        harmonics = self.parts["SphericalHarmonicEdgeAttrs"]
        degrees = [ir.l for _, ir in harmonics.irreps_edge_sh]
        if not (harmonics.sh.normalize and harmonics.sh.normalization == "component"):
            raise NotCovered("harmonics of another normalization than e3nn's `component`")
        if degrees != list(range(len(degrees))):
            raise NotCovered(f"the harmonics {harmonics.irreps_edge_sh}")
        embedding = self.parts["NodeTypeEmbed"]
        if getattr(embedding, "do_categorical_graph_field_embed", False):
            raise NotCovered("an embedding of charge, spin or other numbers of the whole structure")
        attributes = doubles(embedding.embed_module.weight)
        arrays: Arrays = {
            "members": integers(1),
            "atomic_numbers": integers(*self.numbers),
            "l_max": integers(max(degrees)),
            "layers": integers(len(self.layers)),
        }
        own: Arrays = {"embedding": attributes[self.rows]}
        self._radial(arrays, own)
        for t, layer in enumerate(self.layers):
            made = interaction_arrays(self._interaction(layer))
            own |= {f"layer.{t}.{name}": value for name, value in made.items()}
        self._readout(arrays, own)
        self._repulsion(arrays)
        return arrays | {f"member.0.{name}": value for name, value in own.items()}

    def _radial(self, arrays: Arrays, own: Arrays) -> None:
        """sin(w x) / x times a factor and the cutoff function; x is the distance in units of the pair's cutoff."""
        bessel = self.parts["BesselEdgeLengthEncoding"]
        if type(bessel.cutoff).__name__ != "PolynomialCutoff":
            raise NotCovered(f"the cutoff function {type(bessel.cutoff).__name__}")
        lengths = self.parts["EdgeLengthNormalizer"]
        if getattr(lengths, "_per_edge_type", False):
            # no more than r_max, which the reciprocal of a reciprocal may be
            cutoffs = np.minimum(1.0 / doubles(lengths._rmax_recip).reshape(self.ntypes, self.ntypes), self.r_max)
            arrays["basis.cutoffs"] = cutoffs[np.ix_(self.rows, self.rows)]
        arrays["r_max"] = doubles(self.r_max)
        arrays["basis.prefactor"] = doubles(float(self.parts["ApplyFactor"].factor) * self.r_max / np.pi)
        arrays["basis.cutoff"] = integers(_POLYNOMIAL)
        arrays["basis.cutoff_parameter"] = doubles(float(bessel.cutoff.p))
        arrays["basis.activation"] = integers(_SILU)
        own["basis.solid"] = integers(0)
        own["basis.frequencies"] = doubles(bessel.bessel_weights).ravel() * np.pi / self.r_max

    def _interaction(self, layer: Any) -> Interaction:
        block = layer.conv
        if layer.resnet:
            raise NotCovered("layers that add what they were given (convnet_resnet)")
        if type(block).__name__ != "InteractionBlock":
            raise NotCovered(f"NequIP's module {type(block).__name__}")
        perceptron, used = _perceptron(block.edge_mlp)
        if used not in (0, _SILU):
            raise NotCovered("a radial network with another activation than silu")
        return Interaction(
            send=self._send(block),
            convolution=block.tp_scatter.tp,
            perceptron=perceptron,
            mix=block.linear_2,
            divide=1.0,
            own=[] if block.sc is None else [self._of_type(block.sc, row) for row in self.rows],
            gate=layer.equivariant_nonlin,
            irreps_in=block.irreps_in["node_features"],
        )

    def _send(self, block: Any) -> list[Callable[[torch.Tensor], torch.Tensor]]:
        """NequIP divides what is sent by the square root of the number of neighbours of the sender's type."""
        factors = doubles(block.avg_num_neighbors_norm.norm_const).ravel()
        if len(factors) > 1:
            factors = factors[self.rows]
        return [functools.partial(_times, float(factor), block.linear_1) for factor in factors]

    def _of_type(self, product: Any, row: int) -> Callable[[torch.Tensor], torch.Tensor]:
        attributes = self.parts["NodeTypeEmbed"].embed_module.weight[row]
        return lambda x: product(x, attributes.expand(len(x), -1))

    def _readout(self, arrays: Arrays, own: Arrays) -> None:
        matrices, used = _perceptron(self.parts["ScalarMLP"].mlp_module)
        arrays["readout_activation"] = integers(used)
        own |= {f"readout.{k}": matrix for k, matrix in enumerate(matrices)}
        rescale = self.parts["PerTypeScaleShift"]
        own["scale"] = self._of_types(rescale.scales, 1.0)
        own["shift"] = self._of_types(rescale.shifts, 0.0)

    def _repulsion(self, arrays: Arrays) -> None:
        """Half of the energy of a pair belongs to each of both atoms."""
        zbl = self.parts.get(_REPULSION)
        if zbl is None:
            return
        if not np.array_equal(doubles(zbl.atomic_numbers)[self.rows], self.numbers):
            raise NotCovered("a pair potential ZBL of other elements than the atom types")
        arrays["repulsion"] = doubles([float(zbl._qqr2exesquare), float(zbl.cutoff.p)])

    def _of_types(self, values: torch.Tensor, otherwise: float) -> np.ndarray:
        numbers = doubles(values).ravel() if values.numel() else np.array([otherwise])
        return np.broadcast_to(numbers, self.ntypes)[self.rows].copy()


def _times(factor: float, linear: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return factor * linear(x)


def _perceptron(function: Any) -> tuple[list[np.ndarray], int]:
    """Matrices (in, out) of a ScalarMLPFunction, with the factor of the activation, and its number; 0: none."""
    if type(function.mlp).__name__ == "DeepLinearMLP":
        product = np.linalg.multi_dot([doubles(weight) for weight in function.mlp.weights])
        return [product * float(function.mlp.alpha)], 0
    matrices: list[np.ndarray] = []
    used, factor = 0, 1.0
    for module in function.mlp:
        if type(module).__name__ != "ScalarLinearLayer":
            number, factor = activation_of(module)
            if used not in (0, number):
                raise NotCovered("a perceptron with different activations")
            used = number
            continue
        if module.bias is not None:
            raise NotCovered("a perceptron with biases")
        matrices.append(factor * float(module.alpha) * doubles(module.weight))
    return matrices, used
