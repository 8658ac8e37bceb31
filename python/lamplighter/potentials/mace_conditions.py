"""MACE models that see the total charge and spin: what that adds to an atom, for a neutral closed shell.

The embedding of such conditions is the same for all atoms of a structure and for every step, so that it is a constant
beside the embedding of the element. With the constant inside, the model has no conditions any more: nothing has to be
handed over at each step, on no number of ranks, and the native engine evaluates it.
"""

from __future__ import annotations

from typing import Any

import torch

from lamplighter.potentials.mace_linear_maps import NotCovered

MEANT = {"total_charge": 0.0, "total_spin": 1.0}
"""What MACE's calculator and its ML-IAP object mean where nobody says otherwise: no charge, multiplicity 1."""


def has_conditions(model: Any) -> bool:
    """Whether a model sees anything but elements and positions."""
    return getattr(model, "joint_embedding", None) is not None


def put_inside(model: Any) -> None:
    """Put the embedding of `MEANT` into a model's own embedding of elements and into its atomic energies, in place.

    Raises:
        NotCovered: the model sees another condition, or one of each atom.
    """
    features = {}
    for name, spec in model.embedding_specs.items():
        if name not in MEANT or spec["per"] != "graph":
            raise NotCovered(f"an embedding of {name} of each {spec['per']} (covered: total charge 0, multiplicity 1)")
        features[name] = torch.tensor([MEANT[name]], dtype=model.r_max.dtype, device=model.r_max.device)
    with torch.no_grad():
        one = torch.zeros(1, dtype=torch.int64, device=model.r_max.device)
        model.node_embedding = _Shifted(model.node_embedding, model.joint_embedding(one, features))
        if hasattr(model, "embedding_readout"):
            energies = model.atomic_energies_fn.atomic_energies
            seen = model.node_embedding(torch.eye(len(model.atomic_numbers), dtype=model.r_max.dtype))
            # (heads, elements) eV; MACE's energies of single atoms leave this out, its total energy does not
            of_conditions = model.embedding_readout(seen).T.to(energies.dtype)
            model.atomic_energies_fn.atomic_energies = (torch.atleast_2d(energies) + of_conditions).reshape(
                of_conditions.shape if len(of_conditions) > 1 else energies.shape
            )
            del model.embedding_readout
    del model.joint_embedding, model.embedding_specs


class _Shifted(torch.nn.Module):
    """An embedding of elements plus a constant (1, channels)."""

    constant: torch.Tensor

    def __init__(self, embedding: torch.nn.Module, constant: torch.Tensor) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_buffer("constant", constant)

    def forward(self, node_attrs: torch.Tensor) -> torch.Tensor:
        shifted: torch.Tensor = self.embedding(node_attrs) + self.constant
        return shifted
