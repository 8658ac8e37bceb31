"""The box: its cell vectors, and the part of it that molecules may fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.geometry import cellpar_to_cell

from lamplighter.analysis.cell_heights import heights
from lamplighter.arrays import Floats
from lamplighter.atomic_mass import GRAM_PER_CM3
from lamplighter.building.recipe import BoxSection, Recipe
from lamplighter.errors import ConfigError, StructureError

WIDEST = 1e5
"""Å: in a wider box, positions in a file would not tell the atoms of a molecule from each other for long."""

DENSEST = 0.80
"""Share of the volume that molecules can fill; liquids fill about 0.6, crystals 0.65 to 0.80 (Kitaigorodsky)."""


@dataclass(frozen=True)
class FilledBox:
    """A box that is filled.

    Attributes:
        cell: Cell vectors as rows, Å, shape (3, 3); the first along x, the second in the xy plane.
        filled: From which to which height along z molecules lie, Å; None: everywhere.
    """

    cell: Floats
    filled: tuple[float, float] | None = None

    @property
    def orthorhombic(self) -> bool:
        """Whether its edges lie along x, y and z."""
        return bool(np.allclose(self.cell, np.diag(np.diag(self.cell)), atol=1e-9))

    @property
    def volume(self) -> float:
        """That molecules may fill, Å³."""
        whole = float(abs(np.linalg.det(self.cell)))
        return whole if self.filled is None else whole * (self.filled[1] - self.filled[0]) / self.cell[2, 2]


def box_of(recipe: Recipe, mass: float, filled_by: float) -> FilledBox:
    """The box of a recipe.

    Args:
        recipe: With a density or a size of the box.
        mass: Of all molecules, g/mol.
        filled_by: Van der Waals volume of all molecules, Å³.

    Raises:
        StructureError: the molecules fill more than the box can hold, or the box is wider than `WIDEST`.
        ConfigError: the box is smaller than twice the cutoff of the recipe.
    """
    wanted = None if recipe.density is None else GRAM_PER_CM3 * mass / recipe.density.metal
    made = _SHAPES[recipe.box.shape](recipe.box, wanted)
    if not (edge := float(np.abs(made.cell).max())) <= WIDEST:
        raise StructureError(
            f"the box would be {edge:.3g} Å wide, more than {WIDEST:g} Å: give a higher density or a smaller box"
        )
    share, density = filled_by / made.volume, GRAM_PER_CM3 * mass / made.volume
    if share > DENSEST:
        possible = density * DENSEST / share
        raise StructureError(
            f"the density is impossible: at {density:.4g} g/cm³ these molecules would fill {100 * share:.0f} % of "
            f"{'their part of ' if made.filled else ''}the box, and liquids fill about 60 %; it must be below "
            f"{possible:.3g} g/cm³"
        )
    if recipe.cutoff is not None and heights(made.cell).min() < 2.0 * recipe.cutoff.metal:
        raise ConfigError(
            f"the box is {heights(made.cell).min():.4g} Å wide at its narrowest, less than twice the cutoff "
            f"({recipe.cutoff}): take more atoms, a lower density, or a larger box"
        )
    return made


def _cube(section: BoxSection, volume: float | None) -> FilledBox:
    edge = section.edge.metal if section.edge is not None else _required(volume) ** (1.0 / 3.0)
    return FilledBox(np.eye(3) * edge)


def _slab(section: BoxSection, volume: float | None) -> FilledBox:
    assert section.vacuum is not None  # the recipe refuses a slab without
    if section.thickness is not None and section.width is not None:
        width, thickness = section.width.metal, section.thickness.metal
    else:
        width = section.width.metal if section.width is not None else _required(volume) ** (1.0 / 3.0)
        thickness = _required(volume) / width**2
    free = section.vacuum.metal
    return FilledBox(np.diag([width, width, thickness + free]), (0.5 * free, 0.5 * free + thickness))


def _triclinic(section: BoxSection, volume: float | None) -> FilledBox:
    lengths = [1.0, 1.0, 1.0] if section.lengths is None else [length.metal for length in section.lengths]
    cell = cellpar_to_cell([*lengths, *(section.angles or (90.0, 90.0, 90.0))])
    if volume is not None:
        cell *= (volume / abs(np.linalg.det(cell))) ** (1.0 / 3.0)
    return FilledBox(np.array(cell))


def _required(volume: float | None) -> float:
    assert volume is not None  # the recipe refuses a box with neither a size nor a density
    return volume


_SHAPES = {"cube": _cube, "slab": _slab, "triclinic": _triclinic}
