"""Frames of this example as DeePMD-kit's data: a folder for each composition, arrays of all its frames in it.

DeePMD-kit wants the atoms of a folder in the same order in every frame, so atoms are sorted by element. Units are Å,
eV and eV/Å; its virial is minus the stress times the volume, eV.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms

TYPE_MAP = ("H", "C", "O")


def write_systems(frames: list[Atoms], folder: Path) -> dict[str, list[Path]]:
    """Write the frames under `folder`; returns the new folders of `clusters` and `periodic` frames.

    Frames of fewer than three atoms are left out: the descriptor needs neighbours.
    """
    groups: dict[tuple[bool, str], list[Atoms]] = {}
    for frame in frames:
        if len(frame) >= 3:
            groups.setdefault((bool(frame.pbc.all()), frame.get_chemical_formula()), []).append(frame)
    written: dict[str, list[Path]] = {"clusters": [], "periodic": []}
    for (periodic, formula), members in sorted(groups.items()):
        kind = "periodic" if periodic else "clusters"
        target = folder / kind / formula
        _write_system(members, target, periodic)
        written[kind].append(target)
    return written


def _write_system(frames: list[Atoms], folder: Path, periodic: bool) -> None:
    arrays = folder / "set.000"
    arrays.mkdir(parents=True)
    orders = [np.argsort(types_of(frame), kind="stable") for frame in frames]
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    np.savetxt(folder / "type.raw", types_of(frames[0])[orders[0]], fmt="%d")

    def rows(name: str, values: list[np.ndarray]) -> None:
        np.save(arrays / f"{name}.npy", np.array(values).reshape(len(frames), -1))

    rows("coord", [frame.positions[order] for frame, order in zip(frames, orders, strict=True)])
    rows("force", [frame.arrays["forces_xtb"][order] for frame, order in zip(frames, orders, strict=True)])
    np.save(arrays / "energy.npy", np.array([frame.info["energy_xtb"] for frame in frames]))
    if periodic:
        rows("box", [frame.cell.array for frame in frames])
        rows("virial", [virial(frame) for frame in frames])
    else:
        (folder / "nopbc").touch()


def types_of(frame: Atoms) -> np.ndarray:
    """The number of each atom's element in `TYPE_MAP`."""
    return np.array([TYPE_MAP.index(symbol) for symbol in frame.symbols])


def virial(frame: Atoms) -> np.ndarray:
    """The labelled virial, eV, (3, 3): minus the stress times the volume."""
    return -np.reshape(frame.info["stress_xtb"], (3, 3)) * frame.get_volume()
