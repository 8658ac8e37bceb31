"""Checkpoints and ML-IAP objects of SevenNet: what they say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols

from lamplighter.model_files import recognition
from lamplighter.model_files.described_content import precision, without_its_code
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256

_OWN_LAMMPS = "a LAMMPS of your own (`via: own`, docs/how_to/own_lammps.md)"


def describe(path: Path) -> Description:
    """What a file of SevenNet is."""
    description = Description(
        path=path, sha256=sha256(path), framework="SevenNet", form="checkpoint", needs="sevenn", exchanges=True
    )
    if any(name.startswith("sevenn.mliap.") for name in recognition.pickled_names(path)):
        description.form = "ML-IAP object"
        description.needs = _OWN_LAMMPS
        description.notes.append("give Lamplighter the checkpoint that it was made from, without a LAMMPS of your own")
    content = without_its_code(path, description)
    if not isinstance(content, dict) or "config" not in content:
        return description
    config, state = content["config"], content.get("model_state_dict", {})
    modalities = config.get("_modal_map") or config.get("modal_map") or {}
    description.version = config.get("version")
    numbers = config.get("_type_map") or {}
    description.elements = [chemical_symbols[z] for z in numbers] or list(config["chemical_species"])
    description.cutoff = float(config["cutoff"])
    description.layers = int(config["num_convolution_layer"])
    description.heads = list(modalities)
    description.head = description.heads[0] if len(description.heads) == 1 else None
    weights = [value for value in state.values() if isinstance(value, torch.Tensor) and value.is_floating_point()]
    description.precision = precision(weights[0].dtype) if weights else None
    description.parameters = sum(value.numel() for name, value in state.items() if _is_weight(name))
    description.atomic_energies = _shifts(state, numbers, modalities)
    return description


def _is_weight(name: str) -> bool:
    """Constants of e3nn lie beside the weights."""
    return not name.endswith(("output_mask", "_w3j")) and "_compiled_main" not in name


def _shifts(state: Mapping[str, Any], numbers: Mapping[int, int], modalities: Mapping[str, int]) -> dict[str, float]:
    """None where several modalities have shifts of their own, as a run has to name one."""
    shift = state.get("rescale_atomic_energy.shift", state.get("rescale atomic energy.shift"))
    if isinstance(shift, torch.Tensor) and shift.ndim == 2 and len(shift) == len(modalities):
        if len(modalities) > 1:
            return {}
        shift = shift[0]
    if not isinstance(shift, torch.Tensor) or shift.ndim != 1 or len(shift) != len(numbers):
        return {}
    return {chemical_symbols[z]: float(shift[index]) for z, index in numbers.items()}
