"""The molecules of a structure that was built: which there are, and in which order its atoms follow.

A file in YAML, `molecules.yaml`, with the components of a structure: name, number of molecules, SMILES, formal charge,
elements and bonds of one molecule. Atoms of the structure follow component by component, molecule by molecule, and in
each molecule in the order of `elements`, which is that of the atom map numbers of `mapped_smiles`. Bond orders and the
formal charges of atoms are in `mapped_smiles`, which holds each hydrogen as an atom of its own; RDKit reads it with
`Chem.SmilesParserParams` whose `removeHs` is False. Nothing else here needs a reader of SMILES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from ase.data import atomic_numbers, chemical_symbols
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lamplighter.arrays import Integers
from lamplighter.config.loading import read_mapping
from lamplighter.config.problems import section_of
from lamplighter.config.section import ConfigSection
from lamplighter.errors import ConfigError, StructureError

_MAPPED_ATOM = re.compile(r"\[\d*([A-Za-z][a-z]?)[^\[\]:]*:(\d+)\]")
_HEAD = (
    "# The molecules of a structure, in the order of its atoms: component by component, molecule by molecule. In each\n"
    "# molecule atoms follow as in `elements`; numbers of `mapped_smiles` and `bonds` count them from 1.\n"
)


class Component(ConfigSection):
    """Molecules of one kind.

    Attributes:
        name: What it is called.
        molecules: How many there are.
        smiles: Of one molecule or ion, for people.
        mapped_smiles: The same with every hydrogen, and on each atom its place in the molecule, from 1.
        charge: Formal charge of one molecule, in elementary charges.
        elements: Symbols of the atoms of one molecule, in order.
        bonds: Pairs of places in the molecule, from 1.
    """

    name: Annotated[str, Field(min_length=1)]
    molecules: Annotated[int, Field(ge=1)]
    smiles: str
    mapped_smiles: str
    charge: int
    elements: Annotated[list[str], Field(min_length=1)]
    bonds: list[tuple[int, int]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Component:
        n = len(self.elements)
        if unknown := [each for each in self.elements if each not in chemical_symbols[1:]]:
            raise _problem(f"{unknown[0]!r} is no element", "elements")
        for first, second in self.bonds:
            if not (1 <= first <= n and 1 <= second <= n and first != second):
                raise _problem(f"[{first}, {second}] is no bond between two of {n} atoms", "bonds")
        found = {int(number): symbol.capitalize() for symbol, number in _MAPPED_ATOM.findall(self.mapped_smiles)}
        if found != dict(enumerate(self.elements, start=1)):
            raise _problem(
                f"must have the atoms of `elements`, numbered from 1 to {n}, got {self.mapped_smiles!r}",
                "mapped_smiles",
            )
        return self


class MoleculeList(ConfigSection):
    """All molecules of a structure."""

    components: Annotated[list[Component], Field(min_length=1)]

    @property
    def n_atoms(self) -> int:
        """Atoms of the structure."""
        return sum(each.molecules * len(each.elements) for each in self.components)

    @property
    def charge(self) -> int:
        """Sum of the formal charges of all molecules, in elementary charges."""
        return sum(each.molecules * each.charge for each in self.components)

    def numbers(self) -> Integers:
        """Atomic number of each atom, shape (n_atoms,)."""
        parts = [
            np.tile([atomic_numbers[symbol] for symbol in each.elements], each.molecules) for each in self.components
        ]
        return np.concatenate(parts).astype(np.int64)

    def molecule_of_atom(self) -> Integers:
        """Place of each atom's molecule, from 0, shape (n_atoms,)."""
        sizes = np.repeat(
            [len(each.elements) for each in self.components], [each.molecules for each in self.components]
        )
        return np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)

    def component_of_molecule(self) -> Integers:
        """Place in `components` of each molecule, shape (n_molecules,)."""
        counts = [each.molecules for each in self.components]
        return np.repeat(np.arange(len(counts)), counts).astype(np.int64)

    def bonds(self) -> Integers:
        """IDs of the atoms of all bonds, from 1, shape (m, 2)."""
        parts, first = [np.empty((0, 2), dtype=np.int64)], 0
        for each in self.components:
            within = np.array(each.bonds, dtype=np.int64).reshape(-1, 2)
            starts = first + len(each.elements) * np.arange(each.molecules, dtype=np.int64)
            parts.append((starts[:, None, None] + within[None]).reshape(-1, 2))
            first += len(each.elements) * each.molecules
        return np.concatenate(parts)

    def refuse_other_atoms(self, numbers: Integers, named: str) -> None:
        """Hold the atoms of a structure against the list.

        Args:
            numbers: Atomic numbers of the structure, shape (n,).
            named: The structure, for the message.

        Raises:
            StructureError: there are others, or they follow in another order.
        """
        own = self.numbers()
        if len(numbers) != len(own):
            raise StructureError(f"{named} has {len(numbers)} atoms, and its list of molecules has {len(own)}")
        if (wrong := np.flatnonzero(own != numbers)).size:
            place = int(wrong[0])
            raise StructureError(
                f"atom {place + 1} of {named} is {chemical_symbols[numbers[place]]}, and its list of molecules has "
                f"{chemical_symbols[own[place]]} there: atoms must follow in the order of the list"
            )

    def write(self, path: Path) -> None:
        """Write it.

        Raises:
            OSError: the file cannot be written.
        """
        given = self.model_dump(mode="json")
        text = yaml.safe_dump(given, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
        path.write_text(_HEAD + text, encoding="utf-8")


def read_molecule_list(path: Path) -> MoleculeList:
    """Read a list of molecules.

    Raises:
        StructureError: it cannot be read, or is something else; the message names each wrong key.
    """
    try:
        return molecule_list(read_mapping(path, "the list of molecules", "`components`"), str(path))
    except ConfigError as problem:
        raise StructureError(str(problem)) from None


def molecule_list(given: Mapping[str, Any], source: str = "the list of molecules") -> MoleculeList:
    """A list of molecules from its keys.

    Raises:
        ConfigError: a key or a value is wrong; `source` names the list in the message.
    """
    return section_of(MoleculeList, given, source)


def is_molecule_list(path: Path) -> bool:
    """Whether a file is named as such a list is; others hold bonds as numbers, or LAMMPS data."""
    return path.suffix in (".yaml", ".yml")


def _problem(text: str, key: str) -> PydanticCustomError:
    return PydanticCustomError("run_file", "{problem}", {"problem": text, "key": key})
