"""Molecules are put into a box, none nearer to another than the tolerance, by Packmol.

Source: L. Martínez, R. Andrade, E. G. Birgin, J. M. Martínez, J. Comput. Chem. 30, 2157 (2009). Packmol repeats boxes
with edges along x, y and z; in others molecules keep half of the tolerance from each face.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamplighter.analysis.cell_heights import heights
from lamplighter.arrays import Floats
from lamplighter.building.cells import Box
from lamplighter.errors import EnvironmentProblem, StructureError

ATOMS_OF_TILE = 1500
"""About; Packmol's time grows faster than the number of atoms, and tiles are packed beside each other."""

_SUCCESS = "Success!"


@dataclass(frozen=True)
class Tile:
    """A part of a box.

    Attributes:
        cell: Of the box, vectors as rows, Å, shape (3, 3).
        low, high: Where it begins and ends, in fractions of the cell, shape (3,).
        repeats: Whether it is the whole box, and molecules may reach through its faces.
        open_ends: Whether its box has vacuum below and above.
    """

    cell: Floats
    low: Floats
    high: Floats
    repeats: bool
    open_ends: bool


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
        limit_s: Packmol is ended after so many seconds, in each tile.

    Raises:
        StructureError: there is no room, or it was not found in time.
        EnvironmentProblem: Packmol is not installed.
    """
    program = _program()
    tiles = tiles_of(box, sum(each.number * len(each.elements) for each in copies))
    shares = _dealt(copies, tiles)

    def one(place: int) -> list[Floats]:
        tile, share = tiles[place], shares[place]
        there = [replace(each, number=number) for each, number in zip(copies, share, strict=True) if number]
        return _split(copies, share, _packed(program, there, tile, seed + 1000 * place, limit_s)) if there else []

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as workers:
        futures = [workers.submit(one, place) for place in range(len(tiles))]
        try:
            parts = [future.result() for future in futures]
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise
    found = [part[kind] for kind in range(len(copies)) for part in parts if part]
    return np.concatenate(found)


def tiles_of(box: Box, n_atoms: int) -> list[Tile]:
    """The box as one tile that repeats, or as tiles of about `ATOMS_OF_TILE` atoms with walls."""
    low, high = np.zeros(3), np.ones(3)
    if box.filled is not None:
        low[2], high[2] = np.array(box.filled) / box.cell[2, 2]
    open_ends = box.filled is not None
    if n_atoms <= 2 * ATOMS_OF_TILE and box.orthorhombic:
        return [Tile(box.cell, low, high, repeats=True, open_ends=open_ends)]
    edges = heights(box.cell) * (high - low)
    width = (np.prod(edges) * ATOMS_OF_TILE / n_atoms) ** (1.0 / 3.0)
    numbers = np.maximum(1, np.rint(edges / width).astype(int))
    made = []
    for place in np.ndindex(*numbers):
        begin = low + (high - low) * np.array(place) / numbers
        end = low + (high - low) * (np.array(place) + 1) / numbers
        made.append(Tile(box.cell, begin, end, repeats=False, open_ends=open_ends))
    return made


def _dealt(copies: Sequence[Copies], tiles: Sequence[Tile]) -> list[list[int]]:
    """How many copies each tile gets: of each kind the same number, give or take one, and of all atoms as well."""
    shares = [[0] * len(copies) for _ in tiles]
    place = 0
    for kind, each in enumerate(copies):
        for _ in range(each.number):
            shares[place % len(tiles)][kind] += 1
            place += 1
    return shares


def _split(copies: Sequence[Copies], share: Sequence[int], positions: Floats) -> list[Floats]:
    sizes = [number * len(each.elements) for each, number in zip(copies, share, strict=True)]
    return np.split(positions, np.cumsum(sizes)[:-1])


def _packed(program: str, copies: Sequence[Copies], tile: Tile, seed: int, limit_s: float) -> Floats:
    with tempfile.TemporaryDirectory(prefix="lamplighter_packing_") as made:
        folder = Path(made)
        (folder / "packmol.inp").write_text("\n".join(_input(copies, tile, seed, folder)) + "\n")
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


def _input(copies: Sequence[Copies], tile: Tile, seed: int, folder: Path) -> list[str]:
    smallest = min(float(each.radii.min()) for each in copies)
    # discale 1: to pack with larger radii at first, as is its default, takes nearly twice as long
    lines = [f"tolerance {2.0 * smallest:.6f}", "discale 1.0", f"seed {seed}", "filetype xyz", "output packed.xyz"]
    lines.append("writeout 1000000")
    if tile.repeats:
        lines.append("pbc " + " ".join(f"{edge:.8f}" for edge in np.diag(tile.cell)))
    for place, each in enumerate(copies):
        name = f"shape{place}.xyz"
        rows = [
            f"{symbol} {x:.8f} {y:.8f} {z:.8f}" for symbol, (x, y, z) in zip(each.elements, each.shape, strict=True)
        ]
        (folder / name).write_text("\n".join([str(len(rows)), "", *rows]) + "\n")
        lines += [f"structure {name}", f"  number {each.number}", *_walls(tile, smallest)]
        for radius in sorted({*each.radii.tolist()} - {smallest}):
            places = " ".join(str(atom + 1) for atom in np.flatnonzero(each.radii == radius))
            walls = [f"  {wall}" for wall in _walls(tile, radius)]
            lines += [f"  atoms {places}", f"    radius {radius:.6f}", *walls, "  end atoms"]
        lines.append("end structure")
    return lines


def _walls(tile: Tile, radius: float) -> list[str]:
    """Where atoms may lie, as Packmol says it."""
    lines = []
    normals = np.linalg.inv(tile.cell).T  # of the faces, each divided by the height of the cell
    for axis, normal in enumerate(normals):
        if tile.repeats and not (axis == 2 and tile.open_ends):
            continue
        height = 1.0 / np.linalg.norm(normal)
        x, y, z = normal * height
        margin = 0.0 if tile.repeats else radius
        low, high = tile.low[axis] * height + margin, tile.high[axis] * height - margin
        lines.append(f"  over plane {x:.10f} {y:.10f} {z:.10f} {low:.8f}")
        lines.append(f"  below plane {x:.10f} {y:.10f} {z:.10f} {high:.8f}")
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
