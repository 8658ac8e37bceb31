"""Compiled models of the native engine (`.lamp`): what they say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256

FORMATS = ("lamplighter-mace", "lamplighter-layers")
"""Of the files: MACE, and networks of convolutions and gates."""


def describe(path: Path) -> Description:
    """What a compiled model is.

    Raises:
        ModelError: it is none, or it is damaged.
    """
    import safetensors

    try:
        with safetensors.safe_open(str(path), "np") as file:
            labels = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (OSError, safetensors.SafetensorError) as problem:
        raise ModelError(f"{path} is not a compiled model, or it is damaged ({problem})") from problem
    if labels.get("format") not in FORMATS:
        raise ModelError(f"{path} is not a compiled model: make one with `lamplighter compile`")
    members = int(_first(arrays, "members", 1))
    elements = [chemical_symbols[int(z)] for z in _member(arrays, "atomic_numbers", [])]
    layers = int(_first(arrays, "member.0.layers", _first(arrays, "layers", 0)))
    return Description(
        path=path,
        sha256=sha256(path),
        framework=labels.get("family", "MACE"),
        form="compiled for the native engine" + (f", {members} models" if members > 1 else ""),
        needs="LAMMPS with Lamplighter's plugin; no Python, no framework",
        version=next((f"made with {each} {labels[key]}" for key, each in _MADE_WITH.items() if key in labels), None),
        elements=elements,
        cutoff=float(_member(arrays, "r_max", [np.nan])[0]),
        layers=layers,
        precision="float64 (arithmetic in float32 with dtype float32)",
        atomic_energies=dict(
            zip(elements, map(float, _member(arrays, "energies", _member(arrays, "shift", []))), strict=False)
        ),
        exchanges=layers > 1,
    )


_MADE_WITH = {"mace": "mace-torch", "sevenn": "sevenn"}


def _member(arrays: Mapping[str, np.ndarray], name: str, default: Any) -> Any:
    """An array of the first model of a compiled file."""
    return arrays.get(f"member.0.{name}", arrays.get(name, default))


def _first(arrays: Mapping[str, np.ndarray], name: str, default: Any) -> Any:
    return arrays[name].reshape(-1)[0] if name in arrays else default
