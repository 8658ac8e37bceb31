"""The lines of the script that say which atoms are held fixed, and along which axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamplighter.arrays import Integers
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Npt
from lamplighter.errors import ConfigError
from lamplighter.structures.constraints import Held
from lamplighter.structures.start import StartStructure

_RANGES_OF_A_LINE = 20


def require_possible(run: RunFile, structure: StartStructure) -> None:
    """Refuse stages that cannot keep atoms where they are.

    Raises:
        ConfigError: a barostat, which moves all atoms with the box, or nothing that can move.
    """
    if structure.held is None or not run.stages:
        return
    if structure.held.all():
        raise ConfigError(
            f"all {structure.n_atoms} atoms of {structure.source} are held fixed, so there is nothing to move: take "
            "the constraints out of the file, or give structure.constraints: ignore"
        )
    index = next((i for i, stage in enumerate(run.stages) if isinstance(stage, Npt)), None)
    if index is not None:
        raise ConfigError(
            f"stages[{index}] is npt, and {structure.source} holds {np.any(structure.held, axis=1).sum()} atoms fixed: "
            "the barostat changes the box, and with it the place of every atom; use nvt, or "
            "structure.constraints: ignore"
        )


def lines(structure: StartStructure, replicate: Sequence[int]) -> list[str]:
    """Groups `fixed` (along all axes) and `held_x`, `held_y`, `held_z` (`fixed` included), then what holds them.

    IDs are those that `replicate` gives: copies of an atom follow each other at the distance of the largest ID.
    """
    assert structure.held is not None
    n_copies = int(np.prod(replicate))
    held = np.tile(structure.held, (n_copies, 1))
    fixed = np.all(held, axis=1)
    made = _group("fixed", fixed)
    for axis, name in enumerate("xyz"):
        made += _group(f"held_{name}", np.logical_and(held[:, axis], ~fixed))
        made.append(f"group held_{name} union held_{name} fixed")
    return [*made, "group mobile subtract all fixed", "include inputs/hold.lmp"]


def variables() -> list[str]:
    """What tells the included scripts that there are such atoms."""
    return ["variable held equal 1", "variable mobile string mobile"]


def _group(name: str, members: Held) -> list[str]:
    ranges = _ranges(np.flatnonzero(members) + 1)
    if not ranges:
        return [f"group {name} empty"]
    parts = [ranges[begin : begin + _RANGES_OF_A_LINE] for begin in range(0, len(ranges), _RANGES_OF_A_LINE)]
    return [f"group {name} id {' '.join(part)}" for part in parts]


def _ranges(ids: Integers) -> list[str]:
    """Ascending numbers as LAMMPS writes ranges."""
    if not len(ids):
        return []
    pieces = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1)
    return [f"{piece[0]}" if len(piece) == 1 else f"{piece[0]}:{piece[-1]}" for piece in pieces]
