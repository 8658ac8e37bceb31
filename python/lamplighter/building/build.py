"""From a recipe to a folder with a structure, its molecules and a run file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.arrays import Floats, Integers
from lamplighter.building import species as kinds
from lamplighter.building.cells import CUBIC_ANGSTROM, Box, box_of
from lamplighter.building.composition import Unit, numbers_of
from lamplighter.building.folder import refuse_used, write_folder
from lamplighter.building.packing import Copies, pack
from lamplighter.building.recipe import ComponentSection, Recipe, load_recipe, parse_recipe
from lamplighter.building.separation import between_molecules, threaded
from lamplighter.building.species import MOST_SHAPES, Species
from lamplighter.errors import StructureError
from lamplighter.structures.molecule_list import Component, MoleculeList

LIMIT_S = 300.0
"""That Packmol may take for a tile of some thousand atoms."""

NEARLY = 0.95
"""Of the tolerance: Packmol takes a violation of a hundredth of an Å for none."""

ATTEMPTS = 3
"""Packings from new seeds, where a bond passes through a ring."""


@dataclass(frozen=True)
class ComponentBuilt:
    """Molecules of one kind in the box.

    Attributes:
        name: What it is called.
        smiles: Of one.
        charge: Of one, in elementary charges.
        number: How many there are.
        mole_fraction, mass_fraction: Of all molecules.
    """

    name: str
    smiles: str
    charge: int
    number: int
    mole_fraction: float
    mass_fraction: float


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        folder: Where it is.
        structure, molecules, bonds, run_file: Its files.
        components: What is in the box.
        n_atoms: Atoms.
        density: Of the part that is filled, g/cm³.
        cell: Cell vectors as rows, Å, shape (3, 3).
        nearest: Smallest distance between atoms of two molecules, Å; in a thin gas a distance that none falls below.
        has_potential: Whether the run file names a potential.
    """

    folder: Path
    structure: Path
    molecules: Path
    bonds: Path
    run_file: Path
    components: list[ComponentBuilt]
    n_atoms: int
    density: float
    cell: Floats
    nearest: float
    has_potential: bool


def build(
    recipe: Path | Mapping[str, Any] | Recipe,
    folder: Path | None = None,
    *,
    seed: int | None = None,
    potential: Mapping[str, Any] | None = None,
) -> Built:
    """Build what a recipe says.

    Args:
        recipe: A file, or what it holds.
        folder: Where it is written; None: beside the file, by its name without `.yaml`.
        seed: In place of the recipe's.
        potential: Section `potential` of the run file, in place of the recipe's.

    Raises:
        ConfigError: the recipe is not valid.
        StructureError: the liquid cannot be built as it says, or the folder holds something.
        EnvironmentProblem: RDKit or Packmol is not installed.
    """
    made, folder = _read(recipe, folder)
    if seed is not None:
        made = parse_recipe({**made.model_dump(exclude_defaults=True), "seed": seed})
    if potential is not None:
        given = {**made.model_dump(exclude_defaults=True), "potential": potential}
        made = parse_recipe(given).resolved(Path.cwd())
    refuse_used(folder)
    units = [Unit(section, _species_of(section)) for section in made.components]
    listed = _counts(units, numbers_of(units, made))
    _refuse_charge(listed)
    shapes = {each: each.shapes(min(number, MOST_SHAPES), made.seed) for each, number in listed.items()}
    mass = sum(number * each.mass for each, number in listed.items())
    filled_by = sum(number * each.volume(shapes[each][0]) for each, number in listed.items())
    box = box_of(made, mass, filled_by)
    molecules = _molecule_list(listed)
    positions, nearest = _packed(listed, shapes, molecules, box, made)
    total = sum(listed.values())
    components = [
        ComponentBuilt(each.name, each.smiles, each.charge, number, number / total, number * each.mass / mass)
        for each, number in listed.items()
    ]
    files = write_folder(folder, made, molecules, positions, box)
    density = CUBIC_ANGSTROM * mass / box.volume
    return Built(
        folder=folder,
        structure=files.structure,
        molecules=files.molecules,
        bonds=files.bonds,
        run_file=files.run_file,
        components=components,
        n_atoms=molecules.n_atoms,
        density=density,
        cell=box.cell,
        nearest=nearest,
        has_potential=made.potential is not None,
    )


def _read(recipe: Path | Mapping[str, Any] | Recipe, folder: Path | None) -> tuple[Recipe, Path]:
    if isinstance(recipe, Path):
        return load_recipe(recipe), folder or recipe.with_suffix("")
    made = recipe if isinstance(recipe, Recipe) else parse_recipe(recipe)
    if folder is None:
        raise StructureError("a recipe that is no file needs the folder to be named: build(recipe, folder)")
    return made.resolved(Path.cwd()), folder


def _species_of(section: ComponentSection) -> dict[Species, int]:
    density = None if section.density is None else section.density.metal
    if section.molecule is not None:
        return kinds.of_library(section.molecule)
    if section.smiles is not None:
        return kinds.of_smiles(section.smiles, section.name, density)
    assert section.file is not None
    return kinds.of_file(section.file, section.name, density)


def _counts(units: list[Unit], numbers: Integers) -> dict[Species, int]:
    """Molecules of each kind; ions that several salts bring are one kind."""
    counted: dict[tuple[str, str], tuple[Species, int]] = {}
    for unit, number in zip(units, numbers, strict=True):
        for each, count in unit.species.items():
            known, before = counted.get((each.name, each.mapped_smiles), (each, 0))
            counted[each.name, each.mapped_smiles] = known, before + count * int(number)
    named: dict[str, str] = {}
    for name, mapped in counted:
        if named.setdefault(name, mapped) != mapped:
            raise StructureError(f"two different molecules are called {name!r}: give them names of their own (`name`)")
    return dict(counted.values())


def _refuse_charge(listed: dict[Species, int]) -> None:
    charge = sum(number * each.charge for each, number in listed.items())
    if charge == 0:
        return
    ions = ", ".join(f"{number} {each.name} ({each.charge:+d})" for each, number in listed.items() if each.charge)
    raise StructureError(
        f"the box would have a charge of {charge:+d} e: {ions}; add {abs(charge)} e of ions of the other sign, or give "
        "salts (molecule: LiPF6), whose ions always come together"
    )


def _molecule_list(listed: dict[Species, int]) -> MoleculeList:
    return MoleculeList(
        components=[
            Component(
                name=each.name,
                molecules=number,
                smiles=each.smiles,
                mapped_smiles=each.mapped_smiles,
                charge=each.charge,
                elements=each.elements,
                bonds=[(i + 1, j + 1) for i, j in each.bonds],
            )
            for each, number in listed.items()
        ]
    )


def _packed(
    listed: dict[Species, int],
    shapes: dict[Species, list[Floats]],
    molecules: MoleculeList,
    box: Box,
    recipe: Recipe,
) -> tuple[Floats, float]:
    """Positions of all atoms, and a distance that no two molecules fall below, Å."""
    copies = [copy for each, number in listed.items() for copy in _shared(each, shapes[each], number, recipe)]
    of_atom = molecules.molecule_of_atom()
    radii = np.concatenate([np.tile(each.radii(recipe.tolerance.metal), number) for each, number in listed.items()])
    rings = _rings(listed)
    bonds = molecules.bonds() - 1
    for attempt in range(ATTEMPTS):
        positions = pack(copies, box, recipe.seed + attempt, LIMIT_S)
        seen = 2.0 * float(radii.max()) + 1.0
        contacts = between_molecules(positions, box.cell, of_atom, seen)
        shares = contacts.distances / radii[contacts.pairs].sum(axis=1)
        if shares.min(initial=1.0) < NEARLY:
            place = int(np.argmin(shares))
            first, second = contacts.pairs[place]
            raise StructureError(
                f"atoms {first + 1} and {second + 1} of two molecules are {contacts.distances[place]:.3f} Å apart, "
                f"less than {radii[first] + radii[second]:.3f} Å: the box is too small for its molecules"
            )
        if not threaded(positions, box.cell, bonds, rings, of_atom):
            return positions, min(contacts.nearest, seen)
    raise StructureError(
        f"a bond passes through the ring of another molecule in each of {ATTEMPTS} packings: lower the density, or "
        "give a larger tolerance"
    )


def _shared(species: Species, shapes: list[Floats], number: int, recipe: Recipe) -> list[Copies]:
    """Copies of each shape, as even as can be."""
    each, more = divmod(number, len(shapes))
    numbers = [each + (place < more) for place in range(len(shapes))]
    radii = species.radii(recipe.tolerance.metal)
    return [
        Copies(species.elements, radii, shape, count) for shape, count in zip(shapes, numbers, strict=True) if count
    ]


def _rings(listed: dict[Species, int]) -> list[list[int]]:
    """Of all molecules, as places of atoms."""
    found, first = [], 0
    for each, number in listed.items():
        n = len(each.elements)
        for start in range(first, first + n * number, n):
            found += [[start + place for place in ring] for ring in each.rings]
        first += n * number
    return found
