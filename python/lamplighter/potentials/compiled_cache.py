"""Compiled forms of models in the user's cache, by the content of their originals.

Neither torch nor a framework is imported. What lies there was made by `native.compile_files` from these very bytes,
which were allowed to be opened then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ase.data import atomic_numbers

import lamplighter
from lamplighter.cache import cache_folders
from lamplighter.file_suffixes import COMPILED
from lamplighter.model_files import recognition

KIND = "models"

FRAMEWORKS = ("mace", "nequip", "sevennet")
"""Kinds whose files are compiled for the native engine when a run names them."""

_SOURCES = (
    "mace_compile.py",
    "mace_conditions.py",
    "mace_gated.py",
    "mace_linear_maps.py",
    "layered_compile.py",
    "nequip_arrays.py",
    "sevennet_compile.py",
)
"""What decides which arrays a compiled form has: other sources, other forms."""


def takes(path: Path) -> bool:
    """Whether a file is of a kind whose models are compiled."""
    framework = recognition.framework_of(path)
    return framework is not None and framework.kind in FRAMEWORKS


def name_of(models: Sequence[Path], elements: Sequence[str], head: str | None = None) -> str:
    """The name of the compiled form: by the models, the elements, the head, and how it is made."""
    digest = hashlib.sha256()
    for model in models:
        digest.update(hashlib.sha256(Path(model).read_bytes()).digest())
    sources = b"".join(Path(__file__).with_name(name).read_bytes() for name in _SOURCES)
    digest.update(f"{lamplighter.__version__} {' '.join(in_order(elements))} {head or ''}".encode() + sources)
    return digest.hexdigest()[:32] + COMPILED


def in_order(elements: Sequence[str]) -> list[str]:
    """Each element once, by atomic number."""
    return sorted(set(elements), key=lambda symbol: int(atomic_numbers[symbol]))


def find(models: Sequence[Path], elements: Sequence[str], head: str | None = None) -> Path | None:
    """The compiled form, if it was made before."""
    name = name_of(models, elements, head)
    for folder in cache_folders(KIND):
        if (folder / name).is_file():
            return folder / name
    return None
