"""What a model file is, as far as it can be told without running code that is in it."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import io
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.model_files import (
    calculator_file,
    deepmd_graph,
    gap_file,
    lammps_files,
    lammps_form,
    nequip_compiled_file,
    packaged_networks,
    recognition,
    training_files,
)
from lamplighter.model_files.loading import NeedsItsCode, load_narrowly, require_model_file
from lamplighter.model_files.model_description import Description
from lamplighter.model_files.trust import sha256

COMPILED = ".lamp"


_LOCAL_DESCRIPTORS = ("se_", "loc_frame")
"""Descriptors of DeePMD-kit that see an atom's own neighbours only."""

_OF_DEEPMD = (".pb", ".dp")
_OF_CALCULATORS = (".yaml", ".yml")

_OWN_LAMMPS = "a LAMMPS of your own (`via: own`, docs/how_to/own_lammps.md)"


def describe(path: Path) -> Description:
    """What a model file is.

    Raises:
        ModelError: it cannot be read, or is of no kind that is known here.
    """
    training_files.refuse(path, for_own_lammps=True)
    if path.is_file() and path.suffix == COMPILED:
        return _compiled(path)
    if path.is_file() and (path.suffix in _OF_DEEPMD or deepmd_graph.looks_like_graph(path)):
        return _deepmd(path)
    if path.is_file() and path.suffix in _OF_CALCULATORS:
        return _ase(path)
    if (style := lammps_files.recognise(path)) not in (None, "quip", "mliap unified"):
        return lammps_form.describe(path, str(style))
    require_model_file(path)
    framework = recognition.framework_of(path)
    if framework is None:
        known = ", ".join(sorted(each.name for each in FRAMEWORKS.values()))
        raise ModelError(
            f"{path} is a torch file of no framework that is known here ({known}, and Lamplighter's own .lamp files)"
        )
    describe_one = {"ase": _ase, "gap": _gap, "mace": _mace, "sevennet": _sevennet, "nequip": _nequip}[framework.kind]
    description = describe_one(path)
    needed = nequip_compiled_file.made_for(path) != nequip_compiled_file.LAMPLIGHTER
    if needed and importlib.util.find_spec(framework.module) is None:
        description.notes.append(
            f"{framework.module} is not installed here; {recognition.how_to_install(framework.kind)}"
        )
    return description


def _compiled(path: Path) -> Description:
    import safetensors

    try:
        with safetensors.safe_open(str(path), "np") as file:
            labels = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (OSError, safetensors.SafetensorError) as problem:
        raise ModelError(f"{path} is not a compiled model, or it is damaged ({problem})") from problem
    if labels.get("format") != "lamplighter-mace":
        raise ModelError(f"{path} is not a compiled model: make one with `lamplighter compile`")
    members = int(_first(arrays, "members", 1))
    elements = [chemical_symbols[int(z)] for z in _member(arrays, "atomic_numbers", [])]
    layers = int(_first(arrays, "member.0.layers", _first(arrays, "layers", 0)))
    return Description(
        path=path,
        sha256=sha256(path),
        framework="MACE",
        form="compiled for the native engine" + (f", {members} models" if members > 1 else ""),
        needs="LAMMPS with Lamplighter's plugin; no Python, no framework",
        version=f"made with mace-torch {labels['mace']}" if "mace" in labels else None,
        elements=elements,
        cutoff=float(_member(arrays, "r_max", [np.nan])[0]),
        layers=layers,
        precision="float64 (arithmetic in float32 with dtype float32)",
        atomic_energies=dict(zip(elements, map(float, _member(arrays, "energies", [])), strict=False)),
        exchanges=layers > 1,
    )


def _member(arrays: Mapping[str, np.ndarray], name: str, default: Any) -> Any:
    """An array of the first model of a compiled file."""
    return arrays.get(f"member.0.{name}", arrays.get(name, default))


def _first(arrays: Mapping[str, np.ndarray], name: str, default: Any) -> Any:
    return arrays[name].reshape(-1)[0] if name in arrays else default


def _deepmd(path: Path) -> Description:
    graph = deepmd_graph.read_graph(path)
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="DeePMD",
        form="frozen TensorFlow graph" + (f", descriptor {graph.descriptor}" if graph.descriptor else ""),
        needs="deepmd-kit, in LAMMPS (`kind: deepmd`)",
        version=f"model format {graph.version}" if graph.version else None,
        elements=graph.elements,
        cutoff=graph.cutoff,
        precision=graph.precision or None,
        parameters=graph.parameters or None,
        atomic_energies=graph.atomic_energies,
        exchanges=False if graph.descriptor.startswith(_LOCAL_DESCRIPTORS) else None,
    )
    if importlib.util.find_spec("deepmd") is None:
        description.notes.append(f"deepmd is not installed here; {recognition.how_to_install('deepmd')}")
    return description


def _mace(path: Path) -> Description:
    mliap = any(name.startswith("mace.calculators.lammps_mliap") for name in recognition.pickled_names(path))
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="MACE",
        form="ML-IAP object" if mliap else "model",
        needs="the native engine on CPUs (lamplighter compile), or mace-torch",
    )
    model = _without_its_code(path, description)
    model = getattr(getattr(model, "model", model), "model", getattr(model, "model", model))
    if not isinstance(model, torch.nn.Module) or not hasattr(model, "atomic_numbers"):
        return description
    description.elements = [chemical_symbols[int(z)] for z in model.atomic_numbers]
    description.cutoff = float(model.r_max)
    description.layers = int(model.num_interactions)
    description.exchanges = description.layers > 1
    description.precision = _precision(next(model.parameters()).dtype)
    description.parameters = sum(parameter.numel() for parameter in model.parameters())
    description.heads = list(getattr(model, "heads", None) or [])
    energies = np.atleast_2d(model.atomic_energies_fn.atomic_energies.numpy())[-1]
    description.atomic_energies = dict(zip(description.elements, map(float, energies), strict=True))
    return description


def _sevennet(path: Path) -> Description:
    description = Description(
        path=path, sha256=sha256(path), framework="SevenNet", form="checkpoint", needs="sevenn", exchanges=True
    )
    if any(name.startswith("sevenn.mliap.") for name in recognition.pickled_names(path)):
        description.form = "ML-IAP object"
        description.needs = _OWN_LAMMPS
        description.notes.append("give Lamplighter the checkpoint that it was made from, without a LAMMPS of your own")
    content = _without_its_code(path, description)
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
    weights = [value for value in state.values() if isinstance(value, torch.Tensor) and value.is_floating_point()]
    description.precision = _precision(weights[0].dtype) if weights else None
    description.parameters = sum(value.numel() for name, value in state.items() if _is_weight(name))
    description.atomic_energies = _shifts(state, numbers, modalities)
    return description


def _is_weight(name: str) -> bool:
    """Constants of e3nn lie beside the weights."""
    return not name.endswith(("output_mask", "_w3j")) and "_compiled_main" not in name


def _shifts(state: Mapping[str, Any], numbers: Mapping[int, int], modalities: Mapping[str, int]) -> dict[str, float]:
    """Those of the last modality, where there are several."""
    shift = state.get("rescale_atomic_energy.shift", state.get("rescale atomic energy.shift"))
    if isinstance(shift, torch.Tensor) and shift.ndim == 2 and len(shift) == len(modalities):
        shift = shift[list(modalities.values())[-1]]
    if not isinstance(shift, torch.Tensor) or shift.ndim != 1 or len(shift) != len(numbers):
        return {}
    return {chemical_symbols[z]: float(shift[index]) for z, index in numbers.items()}


def _nequip(path: Path) -> Description:
    description = Description(
        path=path, sha256=sha256(path), framework="NequIP or Allegro", form="checkpoint", needs="nequip"
    )
    if recognition.is_nequip_compiled(path):
        _nequip_compiled(path, description)
        return description
    if recognition.is_nequip_package(path):
        _package(path, description)
    elif recognition.is_nequip_mliap(path):
        description = _nequip_inside(path, description)
    else:
        _nequip_checkpoint(path, description)
    if description.framework == "Allegro":
        description.needs = "nequip and nequip-allegro"
    return description


_CALLERS = {
    nequip_compiled_file.ASE: "compiled for NequIP's ASE calculator (--target ase)",
    nequip_compiled_file.BATCH: "compiled for batches of structures (--target batch)",
    nequip_compiled_file.LAMPLIGHTER: "compiled for Lamplighter",
}


def _nequip_compiled(path: Path, description: Description) -> None:
    """A compiled model has notes on it beside the program; `lamplighter compile` adds some of its own."""
    labels = nequip_compiled_file.labels(path)
    target = nequip_compiled_file.made_for(path)
    description.form = _CALLERS.get(target or "", "compiled")
    description.elements = str(labels.get("type_names", "")).split()
    description.cutoff = float(labels["r_max"]) if "r_max" in labels else None
    description.precision = labels.get("model_dtype")
    if target != nequip_compiled_file.LAMPLIGHTER:
        description.needs = (
            "nequip, as an ASE calculator on one rank" if target == nequip_compiled_file.ASE else "nequip"
        )
        description.notes.append(f"to run it here: {nequip_compiled_file.remedy(path)}")
        return
    own = nequip_compiled_file.own_labels(labels)
    description.framework = own.get("framework", description.framework)
    description.version = own.get("version")
    description.layers = int(own["layers"]) if own.get("layers", "").isdigit() else None
    description.parameters = int(own["parameters"]) if own.get("parameters", "").isdigit() else None
    words = own.get("atomic_energies", "").split()
    description.atomic_energies = dict(zip(words[::2], map(float, words[1::2]), strict=True))
    where = f"{labels.get('AOTI_MACHINE', 'unknown')} with {labels.get('AOTI_CPU_ISA', 'unknown')}"
    description.needs = f"torch, on processors of its kind ({where}); no framework"
    if own.get("exchanges") == "1":
        description.needs += "; one rank, as it passes messages between atoms and cannot exchange them"
    else:
        description.exchanges = False


def _package(path: Path, description: Description) -> None:
    """A package says what it holds in two plain texts."""
    labels = _yaml(recognition.member_text(path, "/model/package_metadata.txt"))
    model = _model_section(_yaml(recognition.member_text(path, "/model/config.yaml")))
    allegro = any("/allegro/" in name for name in recognition.members(path))
    description.form = "package"
    _nequip_settings(model, labels.get("versions") or {}, allegro, description)
    types = labels.get("atom_types") or {}
    description.elements = [str(types[index]) for index in sorted(types)]
    counts = packaged_networks.parameters(path)
    description.parameters = counts[list(counts)[-1]] if counts else None
    description.heads = list(counts)


def _nequip_checkpoint(path: Path, description: Description) -> None:
    content = _without_its_code(path, description)
    if not isinstance(content, dict) or "hyper_parameters" not in content:
        return
    settings = content["hyper_parameters"]
    model = _model_section(settings.get("model"))
    versions = (settings.get("info_dict") or {}).get("versions") or {}
    _nequip_settings(model, versions, str(model.get("_target_", "")).startswith("allegro."), description)
    description.elements = [str(name) for name in model.get("type_names", [])]
    moments = [state["state"] for state in content.get("optimizer_states", ())]
    fitted = [each["exp_avg"].numel() for state in moments for each in state.values() if "exp_avg" in each]
    description.parameters = sum(fitted) or None


def _nequip_inside(path: Path, description: Description) -> Description:
    """An ML-IAP object of NequIP holds the bytes of the package or checkpoint that it was made from."""
    inside = recognition.archive_inside(path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inside"
        file.write_bytes(inside)
        if recognition.is_nequip_package(file) or recognition.is_nequip_checkpoint(file):
            description = _nequip(file)
    description.path, description.sha256 = path, sha256(path)
    description.form = f"ML-IAP object of a {description.form}"
    return description


def _nequip_settings(
    model: Mapping[str, Any], versions: Mapping[str, Any], allegro: bool, description: Description
) -> None:
    """What the settings of the network say."""
    description.framework = "Allegro" if allegro else "NequIP"
    description.version = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if version)
    description.cutoff = float(model["r_max"]) if "r_max" in model else None
    description.layers = model.get("num_layers")
    description.precision = model.get("model_dtype")
    description.exchanges = not allegro and description.layers != 1
    shifts = model.get("per_type_energy_shifts")
    if isinstance(shifts, dict):
        description.atomic_energies = {str(symbol): float(value) for symbol, value in shifts.items()}


def _gap(path: Path) -> Description:
    found = gap_file.read(path)
    number = len(found.companions)
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="GAP",
        form="XML file" + (f" with {number} files of sparse points" if number else ""),
        needs="quippy, which runs it on CPUs, on any number of ranks",
        elements=found.elements,
        cutoff=max((each.cutoff for each in found.descriptors if each.cutoff is not None), default=None),
        precision="float64",
        parameters=sum(each.sparse_points for each in found.descriptors),
        atomic_energies={chemical_symbols[z]: energy for z, energy in found.atomic_energies.items()},
        descriptors=[_descriptor(each) for each in found.descriptors],
        exchanges=False,
    )
    if found.version and found.version.isdigit():
        written = datetime.datetime.fromtimestamp(int(found.version), datetime.timezone.utc)
        description.version = f"gap_fit of {written:%Y-%m-%d} (gap_version {found.version})"
    return description


def _descriptor(found: gap_file.Descriptor) -> str:
    """Such as `soap C, 4 Å, 20 sparse points`; elements in the order in which they are written."""
    named = [number for key in ("Z", "Z1", "Z2") for number in re.findall(r"\d+", found.words.get(key, ""))]
    elements = "-".join(chemical_symbols[int(z)] if z != "0" else "any" for z in named)
    cutoff = f", {found.cutoff:g} Å" if found.cutoff is not None else ""
    return f"{found.kind} {elements}".rstrip() + f"{cutoff}, {found.sparse_points} sparse points"


def _ase(path: Path) -> Description:
    named = calculator_file.read(path)
    module = named.name.partition(":")[0].partition(".")[0]
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="ASE calculator",
        form=named.name + "".join(f", {key} {value}" for key, value in named.options.items()),
        needs=f"the Python package {module}; one rank",
        notes=["it names code, which runs when it is loaded (docs/how_to/model_files.md); here, nothing was run"],
    )
    if importlib.util.find_spec(module) is None:
        description.notes.append(f"{module} is not installed here")
    return description


def _yaml(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _model_section(content: Any) -> dict[str, Any]:
    """The innermost settings of the model, wherever a package's configuration has them."""
    if isinstance(content, dict):
        if "model_dtype" in content and "r_max" in content:
            return content
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            if found := _model_section(each):
                return found
    return {}


def _without_its_code(path: Path, description: Description) -> Any:
    """The content of a file that needs no code of its own to be loaded; None, with a note, of any other."""
    try:
        # importing a framework may print advice
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return load_narrowly(path)
    except NeedsItsCode as problem:
        description.notes.append(
            f"more could be told only by running code that is in it (docs/how_to/model_files.md): {problem}"
        )
    except ModelError as problem:
        if "not installed" not in str(problem):
            raise
    return None


def _precision(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
