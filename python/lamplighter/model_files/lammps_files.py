"""Model files in the forms that pair styles of LAMMPS read: which one reads a file, told without running any of it."""

from __future__ import annotations

import json
from pathlib import Path

from lamplighter.model_files import nequip_compiled_file, recognition

NEQUIP_OR_ALLEGRO = "nequip or allegro"
"""A compiled model of the NequIP framework that does not say which of the two it is."""


def recognise(model: Path) -> str | None:
    """The style that reads a file or folder, as `engine.own_lammps.STYLES` names them; None if none does."""
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
