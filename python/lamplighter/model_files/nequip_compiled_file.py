"""Compiled models of NequIP and Allegro (`.nequip.pt2`): what one says it was compiled for. None of it is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamplighter.model_files import recognition

#: The arguments and results of what `lamplighter compile` makes; positions stand for the number of atoms.
INPUTS = ("pos", "edge_vectors", "edge_index", "atom_types")
OUTPUTS = ("atomic_energy", "edge_forces")

LAMPLIGHTER, ASE, BATCH, PAIR_NEQUIP, PAIR_ALLEGRO = "lamplighter", "ase", "batch", "pair_nequip", "pair_allegro"


def labels(path: Path) -> dict[str, Any]:
    """What is noted in a file beside the program; empty if there is nothing."""
    for name in recognition.members(path):
        if not name.endswith(".json"):
            continue
        try:
            found = json.loads(recognition.member_text(path, name))
        except ValueError:
            continue
        if isinstance(found, dict) and {"r_max", "nequip_aoti_inputs"} & found.keys():
            return found
    return {}


_OWN = "lamplighter_"


def as_own_labels(noted: Mapping[str, str]) -> dict[str, str]:
    """What `lamplighter compile` notes, under names that are nobody else's."""
    return {_OWN + name: text for name, text in noted.items()}


def own_labels(found: Mapping[str, Any]) -> dict[str, str]:
    """What `lamplighter compile` noted: framework, version, layers, parameters, atomic_energies, exchanges."""
    return {name.removeprefix(_OWN): str(text) for name, text in found.items() if name.startswith(_OWN)}


def made_for(path: Path) -> str | None:
    """Who calls it: LAMPLIGHTER, or the `--target` of `nequip-compile`; None if the file does not say.

    Source: nequip 0.19, `scripts/_compile_utils.py`; nequip-allegro 0.8, `_compile.py`.
    """
    found = labels(path)
    inputs, outputs = (str(found.get(f"nequip_aoti_{kind}", "")).split() for kind in ("inputs", "outputs"))
    if tuple(inputs) == INPUTS and tuple(outputs) == OUTPUTS:
        return LAMPLIGHTER
    if "batch" in inputs:
        return BATCH
    if "cell" in inputs:
        return ASE if "stress" in outputs else PAIR_NEQUIP
    return PAIR_ALLEGRO if inputs else None


def remedy(path: Path) -> str:
    """What to do with a file that was not compiled for Lamplighter."""
    target = made_for(path)
    advice = (
        "give the package (.nequip.zip) or the checkpoint that it was made from, or compile that for Lamplighter: "
        "`lamplighter compile PACKAGE -o NAME.nequip.pt2`"
    )
    if target == ASE:
        advice += (
            ". On one rank it runs as it is as an ASE calculator: `kind: ase`, `calculator: "
            "nequip.integrations.ase:NequIPCalculator.from_compiled_model`, `options: {compile_path: FILE, "
            "chemical_species_to_atom_type_map: true}`"
        )
    elif target in (PAIR_NEQUIP, PAIR_ALLEGRO):
        advice += f". A LAMMPS of your own with pair_style {target.removeprefix('pair_')} runs it: `via: own`"
    return advice
