"""From a recipe to a folder with a structure, its molecules and a run file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.arrays import Floats, Integers
from lamplighter.atomic_mass import GRAM_PER_CM3
from lamplighter.building import species as kinds
from lamplighter.building.asked_potential import require_known, require_room
from lamplighter.building.cells import box_of
from lamplighter.building.composition import Unit, numbers_of
from lamplighter.building.contents import Copies
from lamplighter.building.folder import new_folder, write_folder
from lamplighter.building.packing import pack
from lamplighter.building.recipe import ComponentSection, Recipe, load_recipe, parse_recipe
from lamplighter.building.species import MOST_SHAPES, Species
from lamplighter.errors import StructureError
from lamplighter.structures.molecule_list import Component, MoleculeList


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
    shown: bool = False,
) -> Built:
    """Build what a recipe says.

    Args:
        recipe: A file, or what it holds.
        folder: Where it is written; None: beside the file, by its name without `.yaml`.
        seed: In place of the recipe's.
        potential: Section `potential` of the run file, in place of the recipe's.
        shown: Whether a line on the terminal counts what is packed.

    Raises:
        ConfigError: the recipe is not valid, or its potential does not know a molecule, or needs a larger box.
        ModelError: a model of its potential lacks an element.
        StructureError: the liquid cannot be built as it says, or the folder holds something.
        EnvironmentProblem: RDKit is not installed.
    """
    made, folder = _read(recipe, folder)
    if seed is not None:
        made = parse_recipe({**made.model_dump(exclude_defaults=True), "seed": seed})
    if potential is not None:
        given = {**made.model_dump(exclude_defaults=True), "potential": potential}
        made = parse_recipe(given).resolved(Path.cwd())
    with new_folder(folder):
        return _built_in(folder, made, shown)


def _built_in(folder: Path, recipe: Recipe, shown: bool) -> Built:
    units = [Unit(section, _species_of(section)) for section in recipe.components]
    listed = _counts(units, numbers_of(units, recipe))
    _refuse_charge(listed)
    molecules = _molecule_list(listed)
    if recipe.potential is not None:
        require_known(recipe.potential, molecules)
    shapes = {each: each.shapes(min(number, MOST_SHAPES), recipe.seed) for each, number in listed.items()}
    mass = sum(number * each.mass for each, number in listed.items())
    box = box_of(recipe, mass, sum(number * each.volume(shapes[each][0]) for each, number in listed.items()))
    if recipe.potential is not None:
        require_room(recipe.potential, box)
    copies = [copy for each, number in listed.items() for copy in _shared(each, shapes[each], number, recipe)]
    packed = pack(copies, box, recipe.seed, shown)
    files = write_folder(folder, recipe, molecules, packed.positions, box)
    total = sum(listed.values())
    return Built(
        folder=folder,
        structure=files.structure,
        molecules=files.molecules,
        bonds=files.bonds,
        run_file=files.run_file,
        components=[
            ComponentBuilt(each.name, each.smiles, each.charge, number, number / total, number * each.mass / mass)
            for each, number in listed.items()
        ],
        n_atoms=molecules.n_atoms,
        density=GRAM_PER_CM3 * mass / box.volume,
        cell=box.cell,
        nearest=packed.nearest,
        has_potential=recipe.potential is not None,
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
        return kinds.of_library(section.molecule, section.name)
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


def _shared(species: Species, shapes: list[Floats], number: int, recipe: Recipe) -> list[Copies]:
    """Copies of each shape, as even as can be."""
    each, more = divmod(number, len(shapes))
    numbers = [each + (place < more) for place in range(len(shapes))]
    radii = species.radii(recipe.tolerance.metal)
    return [
        Copies(radii, shape, count, species.bonds, species.rings)
        for shape, count in zip(shapes, numbers, strict=True)
        if count
    ]
