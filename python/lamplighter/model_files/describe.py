"""What a model file is, as far as it can be told without running code that is in it: each format has a file."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from lamplighter.errors import ModelError
from lamplighter.file_suffixes import COMPILED
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.model_files import (
    calculator_file,
    compiled_file,
    deepmd_graph,
    for_lammps,
    nequip_compiled_file,
    recognition,
    training_files,
)
from lamplighter.model_files.description import Description
from lamplighter.model_files.torch_file import require_model_file

_OF_DEEPMD = (".pb", ".dp")
_OF_CALCULATORS = (".yaml", ".yml")
_FORMATS = {
    "ase": "calculator_file",
    "gap": "gap_file",
    "mace": "mace_file",
    "sevennet": "sevennet_file",
    "nequip": "nequip_file",
}
"""Modules of this room, imported when they are needed: some of them need torch, which an environment may lack."""


def is_of_known_kind(path: Path) -> bool:
    """Whether a file looks like a model of a kind that `describe` knows: told from its bytes, or a name of its own."""
    return (
        path.suffix in (COMPILED, *_OF_DEEPMD)
        or recognition.framework_of(path) is not None
        or deepmd_graph.looks_like_graph(path)
        or for_lammps.recognise(path) is not None
    )


def describe(path: Path) -> Description:
    """What a model file is.

    Raises:
        ModelError: it cannot be read, or is of no kind that is known here.
    """
    training_files.refuse(path, for_own_lammps=True)
    if path.is_file() and path.suffix == COMPILED:
        return compiled_file.describe(path)
    if path.is_file() and (path.suffix in _OF_DEEPMD or deepmd_graph.looks_like_graph(path)):
        return deepmd_graph.describe(path)
    if path.is_file() and path.suffix in _OF_CALCULATORS:
        return calculator_file.describe(path)
    if (style := for_lammps.recognise(path)) not in (None, "quip", "mliap unified"):
        description = for_lammps.describe(path, str(style))
        if instead := training_files.made_for_lammps(path):
            description.notes.append(instead)
        return description
    require_model_file(path)
    framework = recognition.framework_of(path)
    if framework is None:
        known = ", ".join(sorted(each.name for each in FRAMEWORKS.values()))
        raise ModelError(
            f"{path} is a torch file of no framework that is known here ({known}, and Lamplighter's own .lamp files)"
        )
    module = importlib.import_module(f"lamplighter.model_files.{_FORMATS[framework.kind]}")
    description = module.describe(path)
    needed = nequip_compiled_file.made_for(path) != nequip_compiled_file.LAMPLIGHTER
    if needed and importlib.util.find_spec(framework.module) is None:
        description.notes.append(
            f"{framework.module} is not installed here; {recognition.how_to_install(framework.kind)}"
        )
    return description
