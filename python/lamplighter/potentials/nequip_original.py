"""A model of NequIP as NequIP evaluates it, in float64, for the check of its compiled form."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from lamplighter.model_files import recognition
from lamplighter.model_files.describe import describe
from lamplighter.model_files.trust import sha256
from lamplighter.potentials.double_precision import double_precision
from lamplighter.potentials.layered_compile import FORMAT, Arrays, together
from lamplighter.potentials.mace_linear_maps import NotCovered
from lamplighter.potentials.nequip_arrays import ALLEGRO, in_float64, nequip_arrays
from lamplighter.potentials.nequip_network import energies_only, read_named_network
from lamplighter.potentials.requirements import require_elements


class NequIPOriginal:
    """NequIP's own network of a package, a checkpoint or an ML-IAP object; weights in float32 become float64."""

    family = "NequIP"

    def __init__(self, path: Path, head: str | None) -> None:
        recognition.require_framework("nequip", path)
        if recognition.is_nequip_compiled(path):
            raise NotCovered("machine code: give the package or checkpoint that it was compiled from")
        if describe(path).framework == "Allegro":  # before its network is built
            raise NotCovered(ALLEGRO)
        self.path = path
        self.sha256 = sha256(path)
        self.head, network = read_named_network(path, head)
        self.stored = str(network.metadata["model_dtype"])
        self.elements = list(network.type_names)
        with double_precision():
            self.network = in_float64(energies_only(network))

    def labels(self) -> dict[str, str]:
        return {"format": FORMAT, "family": "NequIP", "nequip": importlib.metadata.version("nequip")}

    def together(self, originals: Sequence[NequIPOriginal], elements: Sequence[str] | None) -> Arrays:
        return together([original.arrays(elements) for original in originals])

    def arrays(self, elements: Sequence[str] | None) -> Arrays:
        """Those of this model alone."""
        require_elements(self.path, self.elements, elements or ())
        with double_precision():
            return nequip_arrays(self.network, elements)

    def energy_and_forces(self, cluster: Atoms) -> tuple[float, np.ndarray]:
        x = torch.tensor(cluster.positions)
        separations = x[None] - x[:, None]
        near = separations.norm(dim=-1) < float(self.network.metadata["r_max"])
        receivers, senders = torch.nonzero(near & ~torch.eye(len(x), dtype=torch.bool), as_tuple=True)
        vectors = separations[receivers, senders].requires_grad_(True)
        given = {
            "pos": x,
            "edge_index": torch.stack((receivers, senders)),
            "edge_vectors": vectors,
            "atom_types": torch.tensor([self.elements.index(symbol) for symbol in cluster.get_chemical_symbols()]),
        }
        with double_precision():
            energy = self.network(given)["atomic_energy"].sum()
        forces = torch.zeros_like(x)
        if len(vectors):
            (gradient,) = torch.autograd.grad(energy, vectors)
            forces.index_add_(0, receivers, gradient).index_add_(0, senders, -gradient)
        return float(energy.detach()), forces.numpy()
