"""Files of NequIP and Allegro: packages, checkpoints, ML-IAP objects and compiled models describe themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lamplighter.model_files import nequip_compiled_file, packaged_networks, recognition
from lamplighter.model_files.described_content import without_its_code
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256


def describe(path: Path) -> Description:
    """What a file of NequIP or Allegro is."""
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
    config = _yaml(recognition.member_text(path, "/model/config.yaml"))
    model = _model_section(config)
    allegro = any("/allegro/" in name for name in recognition.members(path))
    description.form = "package"
    _nequip_settings(model, labels.get("versions") or {}, allegro, description)
    if not model:  # it went on from another package, and names that in place of settings
        description.cutoff = _cutoff_of_data(config)
    types = labels.get("atom_types") or {}
    description.elements = [str(types[index]) for index in sorted(types)]
    counts = packaged_networks.parameters(path)
    description.parameters = next(iter(counts.values())) if len(set(counts.values())) == 1 else None
    description.heads = list(counts)
    description.head = description.heads[0] if len(counts) == 1 else None


def _nequip_checkpoint(path: Path, description: Description) -> None:
    content = without_its_code(path, description)
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
            description = describe(file)
    description.path, description.sha256 = path, sha256(path)
    description.form = f"ML-IAP object of a {description.form}"
    if description.head is None:  # it names the one of several that it was made for
        named = set(description.heads) & recognition.pickled_strings(path)
        description.head = named.pop() if len(named) == 1 else None
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


def _cutoff_of_data(config: Mapping[str, Any]) -> float | None:
    """The cutoff (Å) that neighbours of the training frames were looked for within."""
    transforms = (config.get("data") or {}).get("transforms") or []
    found = [each["r_max"] for each in transforms if isinstance(each, dict) and "r_max" in each]
    return float(found[0]) if found else None


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
