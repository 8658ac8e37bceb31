"""MACE models and their ML-IAP objects: what they say about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from lamplighter.model_files import recognition
from lamplighter.model_files.described_content import precision, without_its_code
from lamplighter.model_files.description import Description
from lamplighter.model_files.mace_heads import own_head
from lamplighter.model_files.trust import sha256


def describe(path: Path) -> Description:
    """What a MACE model is."""
    mliap = any(name.startswith("mace.calculators.lammps_mliap") for name in recognition.pickled_names(path))
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="MACE",
        form="ML-IAP object" if mliap else "model",
        needs="the native engine on CPUs (lamplighter compile), or mace-torch",
    )
    opened = without_its_code(path, description)
    model: Any = opened
    model = getattr(getattr(model, "model", model), "model", getattr(model, "model", model))
    if not isinstance(model, torch.nn.Module) or not hasattr(model, "atomic_numbers"):
        return description
    description.elements = [chemical_symbols[int(z)] for z in model.atomic_numbers]
    description.cutoff = float(model.r_max)
    description.layers = int(model.num_interactions)
    description.exchanges = description.layers > 1
    stored = next((parameter.dtype for parameter in model.parameters()), None)
    if stored is not None:  # a stripped model may have none
        description.precision = precision(stored)
    description.parameters = sum(parameter.numel() for parameter in model.parameters())
    description.heads = list(getattr(model, "heads", None) or [])
    chosen = getattr(getattr(opened, "model", None), "head", None) if mliap else None
    if description.heads:  # an ML-IAP object holds the one that it was made for
        description.head = description.heads[int(chosen)] if chosen is not None else own_head(description.heads)
    energies = np.atleast_2d(model.atomic_energies_fn.atomic_energies.numpy())
    if description.head is not None or len(energies) == 1:
        row = description.heads.index(description.head) if description.head is not None else 0
        of_head = energies[min(row, len(energies) - 1)]
        description.atomic_energies = dict(zip(description.elements, map(float, of_head), strict=True))
    return description
