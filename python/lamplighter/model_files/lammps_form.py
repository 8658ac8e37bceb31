"""What a model file made for a pair style of LAMMPS says about itself, without running code that is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files import lammps_files, nequip_compiled_file, recognition, training_files
from lamplighter.model_files.model_description import Description
from lamplighter.model_files.trust import sha256

_FRAMEWORKS = {
    "mace": "MACE",
    "symmetrix/mace": "MACE",
    "e3gnn": "SevenNet",
    "e3gnn/parallel": "SevenNet",
    "nequip": "NequIP",
    "allegro": "Allegro",
    lammps_files.NEQUIP_OR_ALLEGRO: "NequIP or Allegro",
}
_EXCHANGES = {"nequip": True, "allegro": False, "e3gnn": True, "e3gnn/parallel": True}


def describe(path: Path, style: str) -> Description:
    """What a file for a pair style is; `style` as `lammps_files.recognise` gives it.

    Raises:
        ModelError: it is a folder.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder, a parallel model for pair_style e3gnn/parallel; name a file in it")
    description = Description(
        path=path,
        sha256=sha256(path),
        framework=_FRAMEWORKS[style],
        form=f"for LAMMPS' pair_style {style}",
        needs="a LAMMPS of your own with that pair style (`via: own`, docs/how_to/own_lammps.md)",
        exchanges=_EXCHANGES.get(style),
    )
    if instead := training_files.made_for_lammps(path):
        description.notes.append(instead)
    if style == "symmetrix/mace":
        _symmetrix(path, description)
    elif style == "e3gnn":
        _sevennet(path, description)
    elif labels := nequip_compiled_file.labels(path):
        _compiled_nequip(labels, description)
    return description


def _symmetrix(path: Path, description: Description) -> None:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    description.elements = [chemical_symbols[int(z)] for z in content["atomic_numbers"]]
    description.cutoff = float(content["r_cut"])
    description.layers = 2  # its converter takes no others
    description.exchanges = True
    energies = content.get("atomic_energies", [])
    description.atomic_energies = dict(zip(description.elements, map(float, energies), strict=False))


def _sevennet(path: Path, description: Description) -> None:
    """`sevenn get_model` adds plain texts to the archive."""
    texts = {name: recognition.member_text(path, f"/extra/{name}") for name in _SEVENNET_TEXTS}
    description.version = texts["version"] or None
    description.elements = texts["chemical_symbols_to_index"].split()
    description.cutoff = float(texts["cutoff"]) if texts["cutoff"] else None
    description.precision = {"single": "float32", "double": "float64"}.get(texts["dtype"], texts["dtype"] or None)


_SEVENNET_TEXTS = ("version", "chemical_symbols_to_index", "cutoff", "dtype")


def _compiled_nequip(labels: dict[str, Any], description: Description) -> None:
    description.elements = str(labels.get("type_names", "")).split()
    description.cutoff = float(labels["r_max"]) if "r_max" in labels else None
    description.layers = int(labels["num_layers"]) if str(labels.get("num_layers", "")).isdigit() else None
    description.precision = labels.get("model_dtype")
