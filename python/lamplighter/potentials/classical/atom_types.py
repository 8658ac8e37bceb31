"""Which type of a force field each atom of a molecule has: by SMARTS patterns, and refused where none matches.

A rule says which environment a type is for. Each atom must be met by exactly one rule: where none matches, the
molecule is refused, and its parameters are not made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamplighter.errors import ConfigError
from lamplighter.rdkit_molecules import rdkit


@dataclass(frozen=True)
class TypingRule:
    """Atoms of one environment have one type.

    Attributes:
        smarts: The environment; its first atom is the one that gets the type. Hydrogens are atoms.
        type_name: Of the tables.
    """

    smarts: str
    type_name: str


def chemistry() -> Any:
    """RDKit's module `Chem`.

    Raises:
        EnvironmentProblem: RDKit is not installed.
    """
    return rdkit("potential.classical", "classical")


def molecule_of(mapped_smiles: str, name: str) -> Any:
    """A molecule whose atoms follow as the atom map numbers of its SMILES say.

    Args:
        mapped_smiles: With every hydrogen, and numbers from 1 on all atoms.
        name: For messages.

    Returns:
        `rdkit.Chem.Mol`.

    Raises:
        ConfigError: it is no SMILES, or its atoms are not numbered from 1 to their number.
    """
    chem = chemistry()
    reading = chem.SmilesParserParams()
    reading.removeHs = False
    molecule = chem.MolFromSmiles(mapped_smiles, reading)
    if molecule is None:
        raise ConfigError(f"{name}: RDKit cannot read the SMILES {mapped_smiles!r}")
    numbers = [atom.GetAtomMapNum() for atom in molecule.GetAtoms()]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        raise ConfigError(
            f"{name}: the atoms of {mapped_smiles!r} must have the numbers 1 to {len(numbers)}, each once"
        )
    ordered = chem.RenumberAtoms(molecule, [numbers.index(place) for place in range(1, len(numbers) + 1)])
    for atom in ordered.GetAtoms():
        atom.SetAtomMapNum(0)
    return ordered


def types_of(molecule: Any, rules: Sequence[TypingRule], name: str, force_field: str) -> list[str]:
    """The name of the type of each atom.

    Raises:
        ConfigError: an atom has no type, or more than one; it is named with what it is bonded to.
    """
    chem = chemistry()
    found: list[set[str]] = [set() for _ in range(molecule.GetNumAtoms())]
    for rule in rules:
        pattern = chem.MolFromSmarts(rule.smarts)
        for match in molecule.GetSubstructMatches(pattern, uniquify=False, maxMatches=100_000):
            found[match[0]].add(rule.type_name)
    lacking = [place for place, types in enumerate(found) if not types]
    if lacking:
        atoms = ", ".join(_in_words(molecule, place) for place in lacking[:4])
        more = f" and {len(lacking) - 4} more" if len(lacking) > 4 else ""
        raise ConfigError(
            f"potential.classical: {force_field} has no type here for {atoms}{more} of {name} "
            f"({chem.MolToSmiles(chem.RemoveHs(molecule))}); docs/how_to/classical.md lists what it covers"
        )
    for place, types in enumerate(found):
        if len(types) > 1:
            raise ConfigError(
                f"potential.classical: {_in_words(molecule, place)} of {name} fits the types "
                f"{' and '.join(sorted(types))} of {force_field}"
            )
    return [types.pop() for types in found]


def _in_words(molecule: Any, place: int) -> str:
    atom = molecule.GetAtomWithIdx(place)
    neighbours = " ".join(sorted(each.GetSymbol() for each in atom.GetNeighbors()))
    return f"atom {place + 1} ({atom.GetSymbol()}{f' bonded to {neighbours}' if neighbours else ''})"
