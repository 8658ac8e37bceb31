"""Model files made for pair styles of LAMMPS: which style reads a file, and what it says about itself.

None of the code in a file is run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files import nequip_compiled_file, recognition
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256

NEQUIP_OR_ALLEGRO = "nequip or allegro"
"""A compiled model of the NequIP framework that does not say which of the two it is."""


def recognise(model: Path) -> str | None:
    """The style that reads a file or folder, as `driver.own_lammps.STYLES` names them; None if none does."""
    if model.is_dir():
        return "e3gnn/parallel" if any(model.glob("deployed_parallel*.pt")) else None
    if model.suffix == ".xml":
        return "quip"
    if model.suffix == ".json":
        return "symmetrix/mace" if _is_symmetrix(model) else None
    names = recognition.members(model)
    if recognition.is_nequip_compiled(model):
        return _compiled_nequip(model)
    if _is_torchscript(names):
        return _torchscript(model, names)
    if any(name.startswith(_ML_IAP_CLASSES) for name in recognition.pickled_names(model)):
        return "mliap unified"
    return None


def how_to_make_one(model: Path) -> str:
    """What makes a file that LAMMPS reads of a model file of a framework."""
    framework = None if model.is_dir() else recognition.framework_of(model)
    return _COMMANDS.get(framework.kind if framework else "", _EVERY_COMMAND)


_ML_IAP_CLASSES = (
    "mace.calculators.lammps_mliap",
    "nequip.integrations.lammps_mliap.",
    "sevenn.mliap.",
)

_COMMANDS = {
    "mace": (
        "`mace_create_lammps_model MODEL --format=mliap` makes a file for pair_style mliap unified, without --format "
        "one for pair_style mace, and `symmetrix_extract_mace` one for pair_style symmetrix/mace"
    ),
    "nequip": (
        "`nequip-compile … --mode aotinductor --target pair_nequip` (or pair_allegro) makes a file for the pair style "
        "of that name, `nequip-prepare-lmp-mliap` one for pair_style mliap unified"
    ),
    "sevennet": (
        "`sevenn get_model MODEL` makes a file for pair_style e3gnn, with --get_parallel a folder for e3gnn/parallel, "
        "with --use_mliap a file for pair_style mliap unified"
    ),
}
_EVERY_COMMAND = (
    "it is none of the forms of MACE (-lammps.pt, -mliap_lammps.pt, .json), NequIP and Allegro (.nequip.pt2, "
    ".nequip.pth, .nequip.lmp.pt), SevenNet (deployed_serial.pt, the folder deployed_parallel, its ML-IAP file) or GAP "
    "(.xml)"
)


def _is_symmetrix(model: Path) -> bool:
    try:
        content = json.loads(model.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"atomic_numbers", "r_cut"} <= content.keys()


def _is_torchscript(names: list[str]) -> bool:
    inside = {name.partition("/")[2] for name in names}
    return {"constants.pkl", "data.pkl"} <= inside


def _torchscript(model: Path, names: list[str]) -> str | None:
    """Its code lies under the names of the modules that it was made from."""
    modules = {name.partition("/code/__torch__/")[2].partition("/")[0].removesuffix(".py") for name in names}
    if "allegro" in modules:
        return "allegro"
    for module, style in (("mace", "mace"), ("sevenn", "e3gnn"), ("nequip", "nequip")):
        if module in modules:
            return style
    return NEQUIP_OR_ALLEGRO if model.name.endswith(".nequip.pth") else None


def _compiled_nequip(model: Path) -> str | None:
    target = nequip_compiled_file.made_for(model)
    if target is None:
        return NEQUIP_OR_ALLEGRO
    styles = (nequip_compiled_file.PAIR_NEQUIP, nequip_compiled_file.PAIR_ALLEGRO)
    return target.removeprefix("pair_") if target in styles else None


_FRAMEWORKS = {
    "mace": "MACE",
    "symmetrix/mace": "MACE",
    "e3gnn": "SevenNet",
    "e3gnn/parallel": "SevenNet",
    "nequip": "NequIP",
    "allegro": "Allegro",
    NEQUIP_OR_ALLEGRO: "NequIP or Allegro",
}
_EXCHANGES = {"nequip": True, "allegro": False, "e3gnn": True, "e3gnn/parallel": True}


def describe(path: Path, style: str) -> Description:
    """What a file for a pair style is; `style` as `recognise` gives it.

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
    if style == "symmetrix/mace":
        _describe_symmetrix(path, description)
    elif style == "e3gnn":
        _describe_sevennet(path, description)
    elif labels := nequip_compiled_file.labels(path):
        _describe_compiled_nequip(labels, description)
    return description


def _describe_symmetrix(path: Path, description: Description) -> None:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    description.elements = [chemical_symbols[int(z)] for z in content["atomic_numbers"]]
    description.cutoff = float(content["r_cut"])
    description.layers = 2  # its converter takes no others
    description.exchanges = True
    energies = content.get("atomic_energies", [])
    description.atomic_energies = dict(zip(description.elements, map(float, energies), strict=False))


def _describe_sevennet(path: Path, description: Description) -> None:
    """`sevenn get_model` adds plain texts to the archive."""
    texts = {name: recognition.member_text(path, f"/extra/{name}") for name in _SEVENNET_TEXTS}
    description.version = texts["version"] or None
    description.elements = texts["chemical_symbols_to_index"].split()
    description.cutoff = float(texts["cutoff"]) if texts["cutoff"] else None
    description.precision = {"single": "float32", "double": "float64"}.get(texts["dtype"], texts["dtype"] or None)


_SEVENNET_TEXTS = ("version", "chemical_symbols_to_index", "cutoff", "dtype")


def _describe_compiled_nequip(labels: dict[str, Any], description: Description) -> None:
    description.elements = str(labels.get("type_names", "")).split()
    description.cutoff = float(labels["r_max"]) if "r_max" in labels else None
    description.layers = int(labels["num_layers"]) if str(labels.get("num_layers", "")).isdigit() else None
    description.precision = labels.get("model_dtype")
