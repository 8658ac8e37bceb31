"""A SevenNet checkpoint as SevenNet evaluates it, in float64, for the check of its compiled form."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from lamplighter.model_files import recognition
from lamplighter.model_files.trust import sha256
from lamplighter.potentials.layered_compile import FORMAT, Arrays, together
from lamplighter.potentials.requirements import require_elements
from lamplighter.potentials.sevennet import alone, choose_modality, read_checkpoint
from lamplighter.potentials.sevennet_compile import sevennet_arrays


class SevenNetOriginal:
    """SevenNet's own network, built by its own code from a checkpoint; weights in float32 become float64."""

    family = "SevenNet"

    def __init__(self, path: Path, head: str | None) -> None:
        recognition.require_framework("sevennet", path)
        self.path = path
        self.sha256 = sha256(path)
        config, self.network = read_checkpoint(path)
        self.cutoff = float(config["cutoff"])
        self.stored = str(next(self.network.parameters()).dtype).removeprefix("torch.")
        self.head = choose_modality(path, self.network, head)
        self._evaluated: Any = None

    def labels(self) -> dict[str, str]:
        return {"format": FORMAT, "family": "SevenNet", "sevenn": importlib.metadata.version("sevenn")}

    def together(self, originals: Sequence[SevenNetOriginal], elements: Sequence[str] | None) -> Arrays:
        return together([original.arrays(elements) for original in originals])

    def arrays(self, elements: Sequence[str] | None) -> Arrays:
        """Those of this model alone."""
        require_elements(self.path, [chemical_symbols[z] for z in sorted(self.network.type_map)], elements or ())
        if self._evaluated is not None:  # it was taken apart
            _, self.network = read_checkpoint(self.path)
            self._evaluated = None
        return sevennet_arrays(self.network, self.cutoff, elements, self.head)

    def energy_and_forces(self, cluster: Atoms) -> tuple[float, np.ndarray]:
        if self._evaluated is None:
            choose_modality(self.path, self.network, self.head, deploy=True)
            self._evaluated = alone(self.network, torch.float64)
        x = torch.tensor(cluster.positions)
        separations = x[None] - x[:, None]
        near = separations.norm(dim=-1) < self.cutoff
        receivers, senders = torch.nonzero(near & ~torch.eye(len(x), dtype=torch.bool), as_tuple=True)
        vectors = separations[receivers, senders].requires_grad_(True)
        given = {
            "edge_index": torch.stack((receivers, senders)),
            "edge_vec": vectors,
            "atomic_numbers": torch.tensor(cluster.numbers),
            "num_atoms": torch.tensor(len(x)),
        }
        energy = self._evaluated(given)["atomic_energy"].sum()
        forces = torch.zeros_like(x)
        if len(vectors):
            (gradient,) = torch.autograd.grad(energy, vectors)
            forces.index_add_(0, receivers, gradient).index_add_(0, senders, -gradient)
        return float(energy.detach()), forces.numpy()
