"""A SevenNet model as plain arrays for the native engine: what `lamplighter compile` writes.

The network is SevenNet's own, built from the checkpoint by its own code, in float64; `layered_compile` reads the arrays
off it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers

from lamplighter.potentials.layered_compile import (
    Arrays,
    Interaction,
    integers,
    interaction_arrays,
    perceptron_of,
)
from lamplighter.potentials.mace_linear_maps import NotCovered, affine_of, doubles

_POLYNOMIAL, _XPLOR = 0, 1


def sevennet_arrays(
    network: Any, cutoff: float, elements: Sequence[str] | None = None, modality: str | None = None
) -> Arrays:
    """The arrays of one model.

    Args:
        network: SevenNet's network.
        cutoff: Å.
        elements: Symbols to keep; None: all that the model knows.
        modality: Of a model trained on several kinds of data; None: it knows none.

    Raises:
        NotCovered: naming the part of the model that the native engine has no equivalent of.
    """
    return _Compiler(network, cutoff, elements, modality).arrays()


class _Compiler:
    def __init__(self, network: Any, cutoff: float, elements: Sequence[str] | None, modality: str | None) -> None:
        self.network = network.double().eval()
        self.cutoff = cutoff
        known = dict(network.type_map)
        wanted = [atomic_numbers[symbol] for symbol in elements] if elements else known
        self.numbers = sorted(set(wanted))
        self.rows = [known[z] for z in self.numbers]
        self.nspecies = len(known)
        names = dict(network.modal_map or {})
        self.nmodalities = len(names)
        self.modality = names[modality] if modality is not None else 0
        self.parts = dict(network.named_children())

    def arrays(self) -> Arrays:
        embedding = self.parts["edge_embedding"]
        harmonics = embedding.spherical.sph
        basis, cutoff = embedding.basis_function, embedding.cutoff_function
        if type(basis).__name__ != "BesselBasis":
            raise NotCovered(f"the radial basis {type(basis).__name__}")
        kind = {"PolynomialCutoff": _POLYNOMIAL, "XPLORCutoff": _XPLOR}.get(type(cutoff).__name__)
        if kind is None:
            raise NotCovered(f"the cutoff function {type(cutoff).__name__}")
        degrees = [ir.l for _, ir in embedding.spherical.irreps_out]
        count = sum(name.endswith("_convolution") for name in self.parts)
        first = self._affine_linear("onehot_to_feature_x")
        arrays: Arrays = {
            "members": integers(1),
            "atomic_numbers": integers(*self.numbers),
            "l_max": integers(max(degrees)),
            "layers": integers(count),
            "r_max": doubles(self.cutoff),
            "basis.prefactor": doubles(float(basis.prefactor)),
            "basis.cutoff": integers(kind),
            "basis.cutoff_parameter": doubles(float(cutoff.p if kind == _POLYNOMIAL else cutoff.r_on)),
            "readout_activation": integers(0),
        }
        own: Arrays = {
            "basis.solid": integers(0 if harmonics.normalize else 1),
            "basis.frequencies": doubles(basis.coeffs).ravel(),
            "embedding": first(torch.eye(self.nspecies, dtype=torch.float64)).detach().numpy()[self.rows],
        }
        activation = None
        for t in range(count):
            interaction, used = self._interaction(t)
            if activation not in (None, used):
                raise NotCovered("radial networks with different activations")
            activation = used
            own |= {f"layer.{t}.{name}": value for name, value in interaction_arrays(interaction).items()}
        arrays["basis.activation"] = integers(activation or 1)
        self._readout(arrays, own)
        return arrays | {f"member.0.{name}": value for name, value in own.items()}

    def _affine_linear(self, name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """A linear layer, which may take the modality beside its input."""
        module = self.parts[name]
        linear = module.linear

        def apply(x: torch.Tensor) -> torch.Tensor:
            if module.num_modalities > 1:
                modality = torch.zeros(len(x), module.num_modalities, dtype=x.dtype)
                modality[:, self.modality] = 1.0
                x = torch.cat([x, modality], dim=1)
            result: torch.Tensor = linear(x)
            return result

        return apply

    def _interaction(self, t: int) -> tuple[Interaction, int]:
        convolution = self.parts[f"{t}_convolution"]
        if type(convolution).__name__ != "IrrepsConvolution":
            raise NotCovered(f"the convolution {type(convolution).__name__}")
        perceptron, used = perceptron_of(convolution.weight_nn)
        intro = self.parts.get(f"{t}_self_connection_intro")
        own: list[Callable[[torch.Tensor], torch.Tensor]] = []
        name = type(intro).__name__
        if intro is None:
            pass
        elif name == "SelfConnectionLinearIntro":
            own = [intro.linear]
        elif name == "SelfConnectionIntro":
            own = [self._of_species(intro.fc_tensor_product, row) for row in self.rows]
        else:
            raise NotCovered(f"the self connection {name}")
        return (
            Interaction(
                send=[self._affine_linear(f"{t}_self_interaction_1")],
                convolution=convolution.convolution,
                perceptron=perceptron,
                mix=self._affine_linear(f"{t}_self_interaction_2"),
                divide=float(convolution.denominator),
                own=own,
                gate=self.parts[f"{t}_equivariant_gate"].gate,
                irreps_in=convolution.convolution.irreps_in1,
            ),
            used,
        )

    def _of_species(self, product: Any, row: int) -> Callable[[torch.Tensor], torch.Tensor]:
        attributes = torch.nn.functional.one_hot(torch.tensor(row), self.nspecies).to(torch.float64)
        return lambda x: product(x, attributes.expand(len(x), -1))

    def _readout(self, arrays: Arrays, own: Arrays) -> None:
        constant = 0.0
        if "readout_FCN" in self.parts:
            matrices, used = perceptron_of(self.parts["readout_FCN"].fcn, largest=6)
            arrays["readout_activation"] = integers(used)
        else:
            hidden = self._affine_linear("reduce_input_to_hidden")
            energy = self._affine_linear("reduce_hidden_to_energy")
            dim = self.parts["reduce_input_to_hidden"]._irreps_in_wo_modal.dim
            matrix, bias = affine_of(lambda x: energy(hidden(x)), dim)
            matrices, constant = [matrix], float(bias[0])
        own |= {f"readout.{k}": matrix for k, matrix in enumerate(matrices)}
        rescale = self.parts["rescale_atomic_energy"]
        scale = self._of_all_species(rescale.scale, getattr(rescale, "use_modal_wise_scale", False))
        shift = self._of_all_species(rescale.shift, getattr(rescale, "use_modal_wise_shift", False))
        own["scale"] = scale
        own["shift"] = shift + constant * scale

    def _of_all_species(self, values: Any, of_modalities: bool) -> np.ndarray:
        numbers = doubles(values)
        if of_modalities:
            numbers = numbers[self.modality]
        return (
            np.broadcast_to(numbers.ravel(), self.nspecies)[self.rows].copy()
            if numbers.size == 1
            else (numbers.ravel()[self.rows])
        )
