"""The folder that is built: structure, molecules, bonds, the recipe, and a run file with its equilibration."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import write

import lamplighter
from lamplighter.arrays import Floats
from lamplighter.building.cells import FilledBox
from lamplighter.building.recipe import Recipe
from lamplighter.config.quantity import Quantity
from lamplighter.errors import StructureError
from lamplighter.structures.bond_files import write_bonds
from lamplighter.structures.molecule_list import MoleculeList

STRUCTURE, MOLECULES, BONDS = "structure.xyz", "molecules.yaml", "bonds.txt"
RUN_FILE, RECIPE, ORIGIN = "run.yaml", "recipe.yaml", "build.json"

STRETCH = "0.5 A"
"""Beyond which the guard of the run file takes a bond for broken (`docs/theory/stability.md`)."""

NO_POTENTIAL = (
    "# The potential is not chosen yet, and without one nothing runs. Write one of, for example:\n"
    "#   potential: {models: [my.model]}\n"
    "#   potential: {lammps: [pair_style ..., pair_coeff ...]}\n"
)

_SLAB_STAGES = (("heat", 0.5, "cold", "warm"), ("heat further", 0.8, "warm", "hot"), ("cool", 0.8, "hot", "warm"),
                ("relax", 1.0, "warm", "warm"))  # fmt: skip
"""Of the staged equilibration those that change the temperature, at constant volume: name, ns, from, to."""


@dataclass(frozen=True)
class Files:
    """What a program goes on with."""

    structure: Path
    molecules: Path
    bonds: Path
    run_file: Path


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """A folder for what is built, made before minutes are spent on it; where building fails, nothing is left.

    Raises:
        StructureError: the folder holds something, is none, or takes no files.
    """
    missing: list[Path] = []
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise StructureError(f"{folder} exists, and nothing is written over: name another folder (--output)")
        missing += [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        _remove(missing)
        raise _not_written(folder, problem) from None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for name in (STRUCTURE, MOLECULES, BONDS, RUN_FILE, RECIPE, ORIGIN):
                (folder / name).unlink(missing_ok=True)
        _remove(missing)
        raise


def _remove(folders: Sequence[Path]) -> None:
    with suppress(OSError):
        for each in folders:
            each.rmdir()


def _not_written(folder: Path, problem: OSError) -> StructureError:
    return StructureError(f"{folder} cannot be written: {problem.strerror or problem}")


def write_folder(folder: Path, recipe: Recipe, molecules: MoleculeList, positions: Floats, box: FilledBox) -> Files:
    """Write everything.

    Raises:
        StructureError: the folder takes no files.
    """
    try:
        return _write(folder, recipe, molecules, positions, box)
    except OSError as problem:
        raise _not_written(folder, problem) from None


def _write(folder: Path, recipe: Recipe, molecules: MoleculeList, positions: Floats, box: FilledBox) -> Files:
    made = Files(folder / STRUCTURE, folder / MOLECULES, folder / BONDS, folder / RUN_FILE)
    atoms = Atoms(numbers=molecules.numbers(), positions=positions, cell=box.cell, pbc=True)
    atoms.arrays["molecule"] = molecules.molecule_of_atom() + 1
    write(made.structure, atoms, format="extxyz", columns=["symbols", "positions", "molecule"])
    molecules.write(made.molecules)
    write_bonds(
        made.bonds, molecules.bonds(), [f"Bonds of {STRUCTURE}, by IDs of atoms; {MOLECULES} has the molecules"]
    )
    made.run_file.write_text(_run_file(recipe), encoding="utf-8")
    resolved = recipe.model_dump(mode="json", exclude_none=True)
    (folder / RECIPE).write_text(_yaml(resolved), encoding="utf-8")
    (folder / ORIGIN).write_text(json.dumps(_origin(recipe), indent=1) + "\n", encoding="utf-8")
    return made


def _run_file(recipe: Recipe) -> str:
    head = "# Made by `lamplighter build` of recipe.yaml.\n"
    structure = {"structure": {"file": STRUCTURE, "molecules": MOLECULES}}
    if recipe.potential is None:
        potential = NO_POTENTIAL
    else:
        potential = _yaml({"potential": recipe.potential.model_dump(mode="json", exclude_defaults=True)})
    rest: dict[str, Any] = {"seed": recipe.seed, "guard": {"bond_stretch": STRETCH}}
    return head + _yaml(structure) + potential + _yaml({**rest, **_equilibration(recipe)})


def _equilibration(recipe: Recipe) -> dict[str, Any]:
    section = recipe.equilibration
    if recipe.box.shape != "slab":
        keys = {"temperature": str(section.temperature), "hot": str(section.peak), "scale": section.scale}
        return {"workflow": {"staged_equilibration": keys}}
    # a barostat would press the vacuum out
    at = {"cold": Quantity(1.0, "K"), "warm": section.temperature, "hot": section.peak}
    stages: list[dict[str, Any]] = [{"type": "minimise"}]
    for name, length, begin, end in _SLAB_STAGES:
        temperature: Any = str(at[end]) if begin == end else [str(at[begin]), str(at[end])]
        length_ps = f"{1000.0 * length * section.scale:.12g} ps"
        stages.append({"type": "nvt", "name": name, "length": length_ps, "temperature": temperature})
    return {"stages": stages}


def _origin(recipe: Recipe) -> dict[str, Any]:
    """What the same box takes to be built again."""
    return {
        "lamplighter": lamplighter.__version__,
        "rdkit": importlib.metadata.version("rdkit"),
        "numpy": np.__version__,
        "seed": recipe.seed,
    }


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    return text
