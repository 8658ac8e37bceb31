"""Whether a potential needs torch, told without importing it: compiled models, also those of the cache, do not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lamplighter.config.potential import PotentialSection
from lamplighter.errors import LamplighterError
from lamplighter.file_suffixes import COMPILED
from lamplighter.potentials import compiled_cache, device

_IN_PYTHON = ("torch-fast", "symmetrix")
"""Engines of which every evaluation needs it."""

_BY_THE_BRIDGE = {"LAMPLIGHTER_PAIRS": "model", "LAMPLIGHTER_MACE": "plain"}


def needs_torch(potential: PotentialSection, elements: Sequence[str], committee: bool) -> bool:
    """Whether a Python process will evaluate or compile a model of a run.

    An error here costs time and nothing else: torch is imported late, or for nothing.

    Args:
        potential: A resolved section of the run file, with models that `pair_style lamplighter` evaluates.
        elements: Of the atoms.
        committee: Whether all models are evaluated, not the first alone.
    """
    models = potential.models if committee else potential.models[:1]
    if not models or potential.kind not in ("auto", *compiled_cache.FRAMEWORKS):
        return True
    if potential.engine in _IN_PYTHON:
        return True
    if all(model.suffix == COMPILED for model in models):
        return False
    if potential.engine == "bridge" or any(os.environ.get(name) == value for name, value in _BY_THE_BRIDGE.items()):
        return True
    try:
        if not device.is_cpu(potential.device, 0) or not all(map(compiled_cache.takes, models)):
            return True
        return compiled_cache.find(models, elements, potential.head) is None
    except (LamplighterError, OSError, KeyError):
        return True  # whoever opens the models says what is wrong


def script_needs_torch(script: Path) -> bool:
    """Whether a LAMMPS script may open a model that is not compiled: unless it names compiled models alone, or none."""
    try:
        lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    words = [line.partition("#")[0].split() for line in lines]
    if any(line[:1] in (["include"], ["jump"]) or "&" in line for line in words):
        return True
    coefficients = [line for line in words if line[:1] == ["pair_coeff"]]
    styles = [line for line in words if line[:1] == ["pair_style"]]
    if any(engine in line for engine in _IN_PYTHON for line in styles):
        return True
    if not any("lamplighter" in line or "lamplighter/committee" in line for line in styles):
        return any("$" in word for line in styles for word in line)
    named = [word for line in coefficients for word in line[1:]]
    return any("$" in word for word in named) or not any(word.endswith(COMPILED) for word in named)
