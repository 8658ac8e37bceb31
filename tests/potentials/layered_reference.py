"""A network of convolutions and gates evaluated from its compiled form by torch: slow, and plain to read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from e3nn import o3

Arrays = Mapping[str, np.ndarray]
_ACTIVATIONS = {
    0: lambda x: x,
    1: torch.nn.functional.silu,
    2: torch.tanh,
    3: lambda x: torch.nn.functional.softplus(x) - float(np.log(2.0)),
    4: torch.abs,
    5: torch.relu,
    6: torch.sigmoid,
}


class LayeredReference:
    """One member of a compiled model.

    Features are lists of blocks, (atoms, components, channels).
    """

    def __init__(self, arrays: Arrays, member: int = 0) -> None:
        self._arrays = arrays
        self._own = f"member.{member}."

    def energy_and_forces(self, numbers: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies of the atoms (n,), eV, and forces (n, 3), eV/Å, of atoms in vacuum."""
        x = torch.tensor(positions, dtype=torch.float64, requires_grad=True)
        species = np.array([list(self._shared("atomic_numbers")).index(z) for z in numbers])
        energies = self._energies(species, x)
        (gradient,) = torch.autograd.grad(energies.sum(), x)
        return energies.detach().numpy(), -gradient.numpy()

    def _shared(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def _of(self, name: str) -> torch.Tensor:
        return torch.tensor(self._arrays[self._own + name])

    def _energies(self, species: np.ndarray, x: torch.Tensor) -> torch.Tensor:
        n, cutoff = len(x), float(self._shared("r_max")[0])
        away = x[None] - x[:, None]
        r_all = (away + torch.eye(n)[..., None]).norm(dim=-1)
        if "basis.cutoffs" in self._arrays:  # radial functions are those of stretched distances
            stretch = cutoff / torch.tensor(self._shared("basis.cutoffs"))[species][:, species]
            r_all, away = r_all * stretch, away * stretch[..., None]
        to, of = torch.nonzero((r_all < cutoff) & ~torch.eye(n, dtype=torch.bool), as_tuple=True)
        vectors, r = away[to, of], r_all[to, of]
        degrees = list(range(int(self._shared("l_max")[0]) + 1))
        harmonics = o3.spherical_harmonics(
            degrees, vectors, normalize=not self._of("basis.solid")[0], normalization="component"
        )
        first = {degree: degree**2 for degree in degrees}
        basis = self._basis(r, cutoff)
        features: list[torch.Tensor] = []
        start = 0
        for _, channels in self._arrays[self._own + "layer.0.in"]:
            features.append(self._of("embedding")[species, None, start : start + channels])
            start += channels
        for t in range(int(self._shared("layers")[0])):
            layer = f"layer.{t}."
            sent = self._map(layer + "send", features, layer + "sent", species)
            weights = self._perceptron(layer + "perceptron", basis, int(self._shared("basis.activation")[0]))
            sums: list[list[torch.Tensor]] = [[] for _ in self._of(layer + "sums")]
            column = 0
            couplings, places = self._of(layer + "couplings"), self._of(layer + "coupling_places")
            for p, (block, l2, target) in enumerate(self._of(layer + "paths").tolist()):
                l1, l3 = sent[block].shape[1], 2 * int(self._of(layer + "sums")[target]) + 1
                mine = places[:, 0] == p
                coupling = torch.zeros(l1, 2 * l2 + 1, l3, dtype=torch.float64)
                coupling[tuple(places[mine, 1:].T)] = couplings[mine]
                channels = sent[block].shape[2]
                y = harmonics[:, first[l2] : first[l2] + 2 * l2 + 1]
                w = weights[:, column : column + channels]
                message = torch.einsum("eac,eb,abd,ec->edc", sent[block][of], y, coupling, w)
                total = torch.zeros(n, l3, channels, dtype=torch.float64).index_add(0, to, message)
                sums[target].append(total)
                column += channels
            mixed = self._map(layer + "mix", [torch.cat(each, dim=2) for each in sums], layer + "mixed", species)
            own = self._map(layer + "own", features, layer + "mixed", species)
            features = self._gate(layer, [a + b for a, b in zip(mixed, own, strict=True)])
        scalars = torch.cat([block[:, 0] for block in features], dim=1)
        energy = self._perceptron("readout", scalars, int(self._shared("readout_activation")[0]))[:, 0]
        return self._of("scale")[species] * energy + self._of("shift")[species]

    def _basis(self, r: torch.Tensor, cutoff: float) -> torch.Tensor:
        frequencies = self._of("basis.frequencies")
        functions = float(self._shared("basis.prefactor")[0]) * torch.sin(frequencies * r[:, None]) / r[:, None]
        p = float(self._shared("basis.cutoff_parameter")[0])
        if self._shared("basis.cutoff")[0] == 0:
            u = r / cutoff
            envelope = 1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1) - p * (p + 1) / 2 * u ** (p + 2)
        else:
            s, c, o = r**2, cutoff**2, p**2
            envelope = torch.where(r < p, 1.0, (c - s) ** 2 * (c + 2 * s - 3 * o) / (c - o) ** 3)
        return functions * envelope[:, None]

    def _perceptron(self, name: str, x: torch.Tensor, activation: int) -> torch.Tensor:
        k = 0
        while self._own + f"{name}.{k}" in self._arrays:
            if k:
                x = _ACTIVATIONS[activation](x)
            x = x @ self._of(f"{name}.{k}")
            k += 1
        return x

    def _map(self, name: str, features: list[torch.Tensor], shape: str, species: np.ndarray) -> list[torch.Tensor]:
        out = []
        for b, (degree, channels) in enumerate(self._of(shape).tolist()):
            block = torch.zeros(len(species), 2 * degree + 1, channels, dtype=torch.float64)
            if self._own + f"{name}.bias.{b}" in self._arrays:
                block = block + self._of(f"{name}.bias.{b}")
            out.append(block)
        for k, (source, target) in enumerate(self._of(f"{name}.pairs").tolist()):
            matrices = self._of(f"{name}.{k}")
            chosen = matrices[species if len(matrices) > 1 else np.zeros_like(species)]
            out[target] = out[target] + torch.einsum("nac,ncd->nad", features[source], chosen)
        return out

    def _gate(self, layer: str, mixed: list[torch.Tensor]) -> list[torch.Tensor]:
        out = []
        for (source, gate, activation), factor in zip(
            self._of(layer + "gate").tolist(), self._of(layer + "gate_factors").tolist(), strict=True
        ):
            if gate < 0:
                out.append(factor * _ACTIVATIONS[activation](mixed[source]))
            else:
                out.append(factor * _ACTIVATIONS[activation](mixed[gate]) * mixed[source])
        return out
