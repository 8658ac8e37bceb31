"""Files that training and conversion leave beside a model: what each is, and which file to use in its place.

Told from names, tables of contents and pickles, without running anything. What files are called is of mace-torch
0.3.16, nequip 0.19, sevenn 0.13 and DeePMD-kit 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from lamplighter.errors import ModelError
from lamplighter.model_files import for_lammps, recognition

_MOST_NAMED = 3
_OF_DEEPMD = re.compile(r"^model.*\.ckpt|^checkpoint$|\.ckpt-\d+\.(index|meta|data-)")


def refuse(path: Path, for_own_lammps: bool = False) -> None:
    """Refuse a file that is none to run.

    Args:
        path: A model file, or a folder.
        for_own_lammps: Files made for a pair style of LAMMPS are what is wanted (`via: own`).

    Raises:
        ModelError: saying what it is, and naming the file to use, where it lies beside it or how it is made.
    """
    what = of_training(path)
    if not what and not for_own_lammps:
        what = made_for_lammps(path)
    if what:
        raise ModelError(f"model file {path} is {what}")


def of_training(path: Path) -> str:
    """What a file of training is, and what to use; empty for a file that is none."""
    if path.is_dir():
        if (path / "saved_model.pb").is_file() or path.suffix in (".savedmodel", ".jax"):
            return "a saved model of DeePMD-kit's JAX backend: " + _convert(path)
        return ""
    if not path.is_file():
        return ""
    if ".sparseX." in path.name:
        xml = path.with_name(path.name.partition(".sparseX.")[0])
        return f"the sparse points of a GAP: give the XML file that they belong to, {_there(xml)}"
    inside = {name.partition("/")[2] for name in recognition.members(path)}
    if any(name.startswith("code/__torch__/deepmd/") for name in inside):
        return "a model of DeePMD-kit's PyTorch backend, and its TensorFlow backend is what runs here: " + _convert(
            path
        )
    if _is_compiled_by_mace(inside):
        model = path.with_name(path.name.replace("_compiled", ""))
        return (
            "what mace_run_train leaves beside a model for use in TorchScript programs (_compiled.model): give "
            + _instead([model] if model != path else [], path, _is_mace_model, "the .model file of the same training")
        )
    strings = recognition.pickled_strings(path) if {"data.pkl"} <= inside and "constants.pkl" not in inside else set()
    if {"model", "optimizer", "lr_scheduler"} <= strings and "chemical_species" not in strings:
        return _checkpoint_of_mace(path)
    if {"model", "optimizer"} <= strings and any("descriptor." in word for word in strings):
        return "a checkpoint of DeePMD-kit's PyTorch backend: `dp --pt freeze` makes a model of it, and " + _convert(
            path
        )
    if _OF_DEEPMD.search(path.name) and not inside:
        graphs = _instead(
            [], path, lambda file: file.suffix == ".pb", "`dp freeze -o MODEL.pb`, in its folder, makes it"
        )
        return f"part of a checkpoint of DeePMD-kit's training: give the frozen model, {graphs}"
    return ""


def made_for_lammps(path: Path) -> str:
    """What a file for a pair style of LAMMPS is made of, and what to use without that LAMMPS; empty for any other."""
    style = for_lammps.recognise(path) if path.exists() else None
    if style not in ("mace", "e3gnn", "e3gnn/parallel", "nequip", "allegro", for_lammps.NEQUIP_OR_ALLEGRO):
        return ""
    if recognition.is_nequip_compiled(path):
        return ""  # its loader says how it is compiled for Lamplighter
    own = "; or use it by that pair style in a LAMMPS of your own, `via: own` (docs/how_to/own_lammps.md)"
    if style == "mace":
        original = path.with_name(path.name.removesuffix("-lammps.pt"))
        found = _instead([original], path, _is_mace_model, "the .model file that mace_create_lammps_model made it from")
        return f"made for LAMMPS' pair_style mace (TorchScript): give {found}{own}"
    if style in ("e3gnn", "e3gnn/parallel"):
        folder = path.parent if path.is_file() else path
        names = [folder / f"checkpoint_{word}.pth" for word in ("best", "last")]
        found = _instead(
            names, path, recognition.is_sevennet, "the checkpoint (checkpoint_best.pth) it was deployed from"
        )
        return f"deployed for LAMMPS' pair_style {style}: give {found}{own}"
    name = path.name.partition(".")[0]
    packages = [path.with_name(f"{name}.nequip.zip")]
    found = _instead(packages, path, _is_nequip_model, "the package (.nequip.zip) or checkpoint (.ckpt) of the model")
    return f"compiled for LAMMPS' pair_style {style}: give {found}{own}"


def _is_compiled_by_mace(inside: set[str]) -> bool:
    """The whole network in TorchScript, without the wrapper that LAMMPS calls."""
    code = [name for name in inside if name.startswith("code/__torch__/mace/")]
    return bool(code) and not any(name.startswith("code/__torch__/mace/calculators/") for name in code)


def _checkpoint_of_mace(path: Path) -> str:
    """`NAME_run-SEED_epoch-N.pt`, `…_epoch-N_swa.pt`: in the folder `checkpoints` of where NAME.model is."""
    run = re.split(r"_epoch-\d+", path.stem)[0]
    name = re.split(r"_run-\d+", run)[0]
    stages = ("_stagetwo", "_swa", "")
    names = [folder / f"{word}{stage}.model" for stage in stages for word in (name, run) for folder in _near(path)]
    found = _instead(names, path, _is_mace_model, "the .model file of the same training")
    return (
        "a checkpoint of mace_run_train, numbers without the network that they are of: give "
        f"{found}; `mace_run_train … --restart_latest --max_num_epochs 0` with the settings of that training makes one"
    )


def _near(path: Path) -> list[Path]:
    """Where the model of a checkpoint may lie: above its folder, as mace_run_train has it, or beside it."""
    return list(dict.fromkeys([path.absolute().parent.parent, path.parent]))


def _instead(names: Iterable[Path], path: Path, fits: Callable[[Path], bool], otherwise: str) -> str:
    """The files that there are of those named; else those beside it that would do; else how one comes about."""
    found = [name for name in names if name.is_file() and fits(name)]
    if found:
        return str(found[0])
    if path.absolute().parent.is_dir():
        found = [file for file in sorted(path.parent.iterdir()) if file.is_file() and file != path and fits(file)]
    if not found:
        return otherwise
    return f"{otherwise}; beside it: {', '.join(each.name for each in found[:_MOST_NAMED])}"


def _there(path: Path) -> str:
    return str(path) if path.is_file() else f"{path.name}, which is not beside them: copy it along"


def _convert(path: Path) -> str:
    return f"`dp convert-backend {path} MODEL.pb`, where DeePMD-kit has both backends, makes one for it"


def _is_mace_model(path: Path) -> bool:
    return path.suffix in (".model", ".pt") and recognition.is_mace(path)


def _is_nequip_model(path: Path) -> bool:
    return path.name.endswith((".nequip.zip", ".ckpt")) and recognition.is_nequip(path)
