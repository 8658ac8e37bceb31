"""The training frames of a committee's plan, and the subset of them that a member sees.

`mace` is not needed here: these are the scripts of frameworks that live in other environments.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read


def read_frames(plan: dict[str, Any], folder: Path) -> list[Atoms]:
    """All frames of the plan's files, whose names are relative to `folder`; isolated atoms among them."""
    return [frame for name in plan["train_files"] for frame in read(folder / name, ":")]


def split(frames: list[Atoms], fraction: float, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    """(seen, unseen): a random `fraction` of the frames of several atoms, and the rest of them."""
    several = [frame for frame in frames if len(frame) > 1]
    order = np.random.default_rng(seed).permutation(len(several))
    cut = round(fraction * len(several))
    return [several[i] for i in order[:cut]], [several[i] for i in order[cut:]]


def cpu_of_children() -> float:
    """CPU time of the programs that have been run, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
