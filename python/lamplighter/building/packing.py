"""Molecules are put into a box, none nearer to another than the tolerance, by Packmol.

Source: L. Martínez, R. Andrade, E. G. Birgin, J. M. Martínez, J. Comput. Chem. 30, 2157 (2009). Packmol repeats boxes
with edges along x, y and z; in others molecules keep half of the tolerance from each face.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.building.cells import Box
from lamplighter.errors import EnvironmentProblem, StructureError

_SUCCESS = "Success!"


@dataclass(frozen=True)
class Copies:
    """Copies of one shape.

    Attributes:
        elements: Symbols of its atoms.
        radii: Atoms of two molecules are no nearer than the sum of theirs, Å, shape (n,).
        shape: Å, shape (n, 3).
        number: How many copies.
    """

    elements: Sequence[str]
    radii: Floats
    shape: Floats
    number: int


def pack(copies: Sequence[Copies], box: Box, seed: int, limit_s: float) -> Floats:
    """Positions of all copies, one after the other, Å, shape (n_atoms, 3); molecules are whole.

    Args:
        copies: What is packed.
        box: Where.
        seed: Of Packmol.
        limit_s: Packmol is ended after so many seconds.

    Raises:
        StructureError: there is no room, or it was not found in time.
        EnvironmentProblem: Packmol is not installed.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="lamplighter_packing_") as made:
        folder = Path(made)
        (folder / "packmol.inp").write_text("\n".join(_input(copies, box, seed, folder)) + "\n")
        with (folder / "packmol.inp").open() as words:
            try:
                done = subprocess.run(
                    [program], cwd=folder, stdin=words, capture_output=True, text=True, timeout=limit_s, check=False
                )
            except subprocess.TimeoutExpired:
                raise StructureError(
                    f"Packmol found no room for all molecules in {limit_s:.0f} s: lower the density or the tolerance"
                ) from None
        if _SUCCESS not in done.stdout:
            last = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
            said = f" ({last[0]})" if last else ""
            raise StructureError(f"Packmol found no room for all molecules{said}: lower the density or the tolerance")
        return _positions(folder / "packed.xyz")


def _input(copies: Sequence[Copies], box: Box, seed: int, folder: Path) -> list[str]:
    edges = np.diag(box.cell)
    smallest, largest = _bounds(copies)
    lines = [f"tolerance {2.0 * smallest:.6f}", f"seed {seed}", "filetype xyz", "output packed.xyz", "writeout 1000000"]
    within = _within(box, largest)
    if box.orthorhombic:
        lines.append("pbc " + " ".join(f"{edge:.8f}" for edge in edges))
    for place, each in enumerate(copies):
        name = f"shape{place}.xyz"
        rows = [f"{symbol} {x:.8f} {y:.8f} {z:.8f}"
                for symbol, (x, y, z) in zip(each.elements, each.shape, strict=True)]  # fmt: skip
        (folder / name).write_text("\n".join([str(len(rows)), "", *rows]) + "\n")
        lines += [f"structure {name}", f"  number {each.number}", *within]
        for radius in sorted({*each.radii.tolist()} - {smallest}):
            places = " ".join(str(place + 1) for place in np.flatnonzero(each.radii == radius))
            lines += [f"  atoms {places}", f"    radius {radius:.6f}", "  end atoms"]
        lines.append("end structure")
    return lines


def _bounds(copies: Sequence[Copies]) -> tuple[float, float]:
    radii = np.concatenate([each.radii for each in copies])
    return float(radii.min()), float(radii.max())


def _within(box: Box, margin: float) -> list[str]:
    """Where molecules may lie, as Packmol says it."""
    if box.filled is not None:
        low, high = box.filled
        return [f"  over plane 0. 0. 1. {low:.8f}", f"  below plane 0. 0. 1. {high:.8f}"]
    if box.orthorhombic:
        return []
    lines = []
    normals = np.linalg.inv(box.cell).T  # of the faces, each divided by the height of the cell
    for normal in normals:
        height = 1.0 / np.linalg.norm(normal)
        x, y, z = normal * height
        lines.append(f"  over plane {x:.10f} {y:.10f} {z:.10f} {margin:.8f}")
        lines.append(f"  below plane {x:.10f} {y:.10f} {z:.10f} {height - margin:.8f}")
    return lines


def _positions(path: Path) -> Floats:
    lines = path.read_text().splitlines()
    return np.array([line.split()[1:4] for line in lines[2 : 2 + int(lines[0])]], dtype=np.float64)


def _program() -> str:
    try:
        from packmol.cli import get_binary_path

        return str(get_binary_path())
    except (ImportError, FileNotFoundError):
        raise EnvironmentProblem("building needs Packmol: pip install 'lamplighter[build]'") from None
