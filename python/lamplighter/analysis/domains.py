"""How evenly grids of equal domains divide the atoms of a structure among ranks, and which grid LAMMPS would take."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import Floats

Grid = tuple[int, int, int]
"""Numbers of domains along the three cell vectors."""

_TIE = 1e-9


def grids(ranks: int) -> list[Grid]:
    """All grids of so many domains."""
    return [
        (nx, ny, ranks // (nx * ny))
        for nx in range(1, ranks + 1)
        if ranks % nx == 0
        for ny in range(1, ranks // nx + 1)
        if (ranks // nx) % ny == 0
    ]


def surface(grid: Grid, cell: Floats) -> float:
    """Half the surface of one domain, Å²; cell vectors as rows, shape (3, 3)."""
    a, b, c = cell
    xy, xz, yz = (float(np.linalg.norm(np.cross(*pair))) for pair in ((a, b), (a, c), (b, c)))
    nx, ny, nz = grid
    return xy / (nx * ny) + xz / (nx * nz) + yz / (ny * nz)


def least_surface(ranks: int, cell: Floats) -> list[Grid]:
    """The grids of the least surface, which LAMMPS takes by itself; several where they are the same (in a cube)."""
    surfaces = {grid: surface(grid, cell) for grid in grids(ranks)}
    least = min(surfaces.values())
    return [grid for grid, area in surfaces.items() if area <= least * (1.0 + _TIE)]


def imbalance(fractions: Floats, grid: Grid) -> float:
    """Atoms of the fullest domain over the mean of all: 1 where they are balanced, their number where one has all.

    Args:
        fractions: Positions in the box, in cell vectors, from 0 to 1, shape (n, 3).
        grid: Of equal domains.
    """
    shape = np.array(grid)
    place = np.minimum((fractions * shape).astype(int), shape - 1)
    counts = np.bincount(np.ravel_multi_index(tuple(place.T), grid), minlength=int(shape.prod()))
    return float(counts.max() / counts.mean())
