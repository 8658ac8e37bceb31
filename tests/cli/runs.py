"""Run folders as the engine leaves them, for commands that read several."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

COLUMNS = "stage,step,time_ps,temperature_K,pressure_bar,density_g_cm3,volume_A3"
CRITERIA = ["bond stretch 0.5", "density 0.2 2"]


def stage(index: int, kind: str, steps: int, timestep_fs: float = 1.0, name: str | None = None) -> dict[str, Any]:
    """One entry of `stages` in status.json."""
    return {
        "index": index, "type": kind, "name": name or kind, "steps": steps, "timestep_fs": timestep_fs, "wall_s": 1.0,
    }  # fmt: skip


def guard(time_ps: float | None, criterion: str | None = None, criteria: list[str] = CRITERIA) -> dict[str, Any]:
    """The guard of status.json."""
    return {"criteria": criteria, "criterion": criterion, "step": 0, "time_ps": time_ps}


def write_run(
    folder: Path,
    stages: list[dict[str, Any]],
    structure: Atoms | None = None,
    events: list[dict[str, Any]] | None = None,
    thermo: list[str] | None = None,
    **status: Any,
) -> Path:
    """A run folder; `thermo` are rows of `COLUMNS`."""
    folder.mkdir()
    content = {"status": "completed", "error": None, "failed_stage": None, "natoms": 10, "stages": stages, **status}
    (folder / "status.json").write_text(json.dumps(content))
    (folder / "provenance.json").write_text("{}")
    (folder / "thermo.csv").write_text("\n".join([COLUMNS, *(thermo or [])]) + "\n")
    if events is not None:
        (folder / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    if structure is not None:
        ase.io.write(folder / "structure.data", structure, format="lammps-data", masses=True)
    return folder


def thermo_rows(densities: np.ndarray, mass: float, index: int = 0, every: int = 10, start: int = 0) -> list[str]:
    """Rows of 1 fs steps, `mass` in g/mol."""
    rows = []
    for place, density in enumerate(densities):
        step = start + place * every
        volume = mass / density / 0.602214076
        rows.append(f"{index},{step},{step * 1e-3:.6f},{500.0 + (place % 7 - 3)},1.0,{density:.9f},{volume:.6f}")
    return rows


def write_trajectory(folder: Path, frames: list[Atoms], every: int, columns: str = "xu yu zu") -> None:
    """`trajectory.lammpstrj.gz` of a run folder."""
    with gzip.open(folder / "trajectory.lammpstrj.gz", "wt") as file:
        file.write(dump_text(frames, every, columns))


def dump_text(frames: list[Atoms], every: int, columns: str = "xu yu zu") -> str:
    """A LAMMPS dump of frames in orthogonal cells."""
    lines: list[str] = []
    for place, atoms in enumerate(frames):
        edges = atoms.cell.lengths()
        lines += ["ITEM: TIMESTEP", str(place * every), "ITEM: NUMBER OF ATOMS", str(len(atoms))]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *(f"0.0 {edge:.12g}" for edge in edges)]
        lines.append(f"ITEM: ATOMS id type element {columns}")
        for k, (symbol, xyz) in enumerate(zip(atoms.symbols, atoms.positions, strict=True), start=1):
            words = " ".join(f"{value:.9f}" for value in xyz)
            if "ix" in columns:
                images = np.floor(xyz / edges)
                words = " ".join(f"{value:.9f}" for value in xyz - images * edges)
                words += " " + " ".join(f"{image:.0f}" for image in images)
            lines.append(f"{k} {atoms.numbers[k - 1]} {symbol} {words}")
    return "\n".join(lines) + "\n"
