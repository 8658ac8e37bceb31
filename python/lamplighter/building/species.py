"""A molecule of one kind: its atoms, bonds and charge from a SMILES or a file, and shapes of it, by RDKit.

Source of the shapes: S. Wang, J. Witek, G. A. Landrum, S. Riniker, J. Chem. Inf. Model. 60, 2044 (2020) (ETKDGv3),
relaxed by MMFF94 (T. A. Halgren, J. Comput. Chem. 17, 490, 1996), or by UFF (A. K. Rappé et al., J. Am. Chem. Soc. 114,
10024, 1992) where that lacks a type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers, covalent_radii

from lamplighter.analysis.bonding import NONMETAL
from lamplighter.analysis.stability import bonds_by_distance
from lamplighter.arrays import Floats, Integers
from lamplighter.building import library
from lamplighter.errors import StructureError
from lamplighter.rdkit_molecules import rdkit

MOST_SHAPES = 8
"""Of one kind of molecule: copies share them."""

APART = 1.25
"""Sums of covalent radii between nonmetals of two molecules, at least; contacts below 1.15 are taken for bonds."""

ATOMS_OF_SHAPES = 500
"""Of all shapes of one kind together, at least one: RDKit takes seconds for a chain of 200 atoms."""

EMBEDDING_S = 30
"""That RDKit may look for the shapes of one isomer."""

_FILES = {".mol": "MolFromMolFile", ".sdf": "MolFromMolFile", ".mol2": "MolFromMol2File"}


@dataclass(frozen=True, eq=False)
class Species:
    """A kind of molecule or ion.

    Attributes:
        name: What it is called.
        smiles: SMILES without hydrogens.
        molecule: RDKit's molecule, with all hydrogens, and one conformer for a molecule of a file.
        density: Of the pure liquid, g/cm³; None: not known.
        positions: Å, shape (n, 3), where neither RDKit nor a file makes its shape.
    """

    name: str
    smiles: str
    molecule: Any
    density: float | None = None
    positions: Floats | None = None

    @cached_property
    def elements(self) -> list[str]:
        """Symbols of its atoms, in order."""
        return [atom.GetSymbol() for atom in self.molecule.GetAtoms()]

    @cached_property
    def numbers(self) -> Integers:
        """Atomic numbers, shape (n,)."""
        return np.array([atomic_numbers[symbol] for symbol in self.elements], dtype=np.int64)

    def radii(self, tolerance: float) -> Floats:
        """Atoms of two molecules are no nearer than the sum of theirs, Å, shape (n,).

        Half of the tolerance, and more for what is larger than carbon: at 1.25 times the sum of covalent radii, nobody
        takes two nonmetals for bonded. Metal ions touch their ligands.
        """
        covalent = np.where(NONMETAL[self.numbers], covalent_radii[self.numbers], 0.0)
        return np.maximum(0.5 * tolerance, APART * covalent)

    @property
    def mass(self) -> float:
        """g/mol."""
        return float(atomic_masses[self.numbers].sum())

    @property
    def charge(self) -> int:
        """Formal charge, in elementary charges."""
        return sum(atom.GetFormalCharge() for atom in self.molecule.GetAtoms())

    @property
    def bonds(self) -> list[tuple[int, int]]:
        """Pairs of places, from 0, the lower first, ascending."""
        ends = ((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in self.molecule.GetBonds())
        return sorted((min(pair), max(pair)) for pair in ends)

    @property
    def rings(self) -> list[list[int]]:
        """Places of the atoms of each ring, one after the other."""
        return [list(ring) for ring in self.molecule.GetRingInfo().AtomRings()]

    @property
    def mapped_smiles(self) -> str:
        """With all hydrogens, and on each atom its place, from 1."""
        chem = _chemistry()
        copy = chem.Mol(self.molecule)
        for atom in copy.GetAtoms():
            atom.SetAtomMapNum(atom.GetIdx() + 1)
        return str(chem.MolToSmiles(copy))

    def shapes(self, number: int, seed: int) -> list[Floats]:
        """Geometries that copies of it have, each around its centre, Å, shape (n, 3).

        Args:
            number: How many at most; fewer where it is stiff.
            seed: Of RDKit.

        Raises:
            StructureError: no geometry is found whose atoms touch where they are bonded and nowhere else.
        """
        if len(self.elements) == 1:
            return [np.zeros((1, 3))]
        if self.positions is not None:
            found = [self.positions]
        elif self.molecule.GetNumConformers():
            found = [np.array(self.molecule.GetConformer().GetPositions())]
        else:
            found = self._embedded(number, seed)
        sound = [each - each.mean(axis=0) for each in found if self._touches_where_bonded(each)]
        if not sound:
            raise StructureError(
                f"{self.name}: no geometry was found in which bonded atoms touch and others do not; give a file with "
                "its coordinates (file: molecule.sdf)"
            )
        return sound

    def volume(self, shape: Floats) -> float:
        """Van der Waals volume, Å³; metal ions count nothing, as their radii are those of atoms.

        Source of the radii: A. Bondi, J. Phys. Chem. 68, 441 (1964), and others, as RDKit has them.
        """
        if not NONMETAL[self.numbers].any():
            return 0.0
        table = _chemistry().GetPeriodicTable()
        radii = np.array([table.GetRvdw(int(number)) for number in self.numbers]) * NONMETAL[self.numbers]
        # points of a grid that lie in any sphere
        low, high = (shape - radii[:, None]).min(axis=0), (shape + radii[:, None]).max(axis=0)
        step = 0.15
        axes = [np.arange(low[axis], high[axis] + step, step) for axis in range(3)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = np.zeros(len(points), dtype=bool)
        for centre, radius in zip(shape, radii, strict=True):
            inside |= ((points - centre) ** 2).sum(axis=1) < radius**2
        return float(inside.sum() * step**3)

    def _embedded(self, number: int, seed: int) -> list[Floats]:
        """Of all isomers that its SMILES leaves open, as many of each."""
        isomers = self._isomers(min(number, MOST_SHAPES), seed)
        shapes = import_module("rdkit.Chem.AllChem")
        wanted = min(-(-number // len(isomers)), max(1, MOST_SHAPES // len(isomers)))
        return [shape for isomer in isomers for shape in self._embedded_isomer(shapes, isomer, wanted, seed)]

    def _isomers(self, number: int, seed: int) -> list[Any]:
        """Its molecule, or one for each way to set the stereo centres and double bonds that are not set."""
        isomerism = import_module("rdkit.Chem.EnumerateStereoisomers")
        chosen = isomerism.StereoEnumerationOptions(
            onlyUnassigned=True, unique=True, maxIsomers=number, rand=seed % 2**31
        )
        return list(isomerism.EnumerateStereoisomers(self.molecule, options=chosen)) or [self.molecule]

    def _embedded_isomer(self, shapes: Any, isomer: Any, number: int, seed: int) -> list[Floats]:
        molecule = _chemistry().Mol(isomer)
        turns = shapes.CalcNumRotatableBonds(molecule)
        settings = shapes.ETKDGv3()
        settings.randomSeed = seed
        settings.pruneRmsThresh = 0.2
        wanted = min(number, 1 + 2 * turns, max(1, ATOMS_OF_SHAPES // len(self.elements)))
        if hasattr(settings, "timeout"):  # older ones have none
            settings.timeout = EMBEDDING_S
        kept = list(shapes.EmbedMultipleConfs(molecule, wanted, settings))
        if not kept:
            settings.useRandomCoords = True
            kept = list(shapes.EmbedMultipleConfs(molecule, wanted, settings))
        if not kept:  # no such isomer, a double bond at the wrong place of a small ring for example
            return []
        if shapes.MMFFHasAllMoleculeParams(molecule):
            shapes.MMFFOptimizeMoleculeConfs(molecule, maxIters=2000)
        elif shapes.UFFHasAllMoleculeParams(molecule):
            shapes.UFFOptimizeMoleculeConfs(molecule, maxIters=2000)
        return [np.array(molecule.GetConformer(conformer).GetPositions()) for conformer in kept]

    def _touches_where_bonded(self, positions: Floats) -> bool:
        """By the very rule that commands apply to a structure without a list of bonds, without its metals."""
        open_cell, nothing = np.zeros((3, 3)), np.zeros(3, dtype=bool)
        touching, _ = bonds_by_distance(positions, self.numbers, open_cell, nothing)
        metal = ~NONMETAL[self.numbers]
        seen = {(int(i), int(j)) for i, j in touching if not (metal[i] or metal[j])}
        return seen == {(i, j) for i, j in self.bonds if not (metal[i] or metal[j])}


_NAMED_SALT = "{what} is several ions or molecules, which keep their own names: leave `name: {name}` out"


def of_library(name: str, called: str | None = None) -> dict[Species, int]:
    """The molecule of a name, or the ions of a salt, with how many of each.

    Args:
        name: Of the library.
        called: What the molecule is called instead.

    Raises:
        StructureError: the library has no such name, or a salt is to be called otherwise.
    """
    known = library.molecules()
    if name in known:
        made = _library_species(known[name])
        return {made if called is None else replace(made, name=called): 1}
    if name in library.salts():
        if called is not None:
            raise StructureError(_NAMED_SALT.format(what=name, name=called))
        return {_library_species(known[ion]): count for ion, count in library.salts()[name].items()}
    close = [each for each in library.names() if each.lower() == name.lower()]
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise StructureError(
        f"{name!r} is no molecule of the library{hint}; it has {', '.join(library.names())}. Give `smiles` or `file` "
        "for others"
    )


def of_smiles(smiles: str, name: str | None = None, density: float | None = None) -> dict[Species, int]:
    """The molecule of a SMILES, or the ions between its dots, with how many of each.

    Raises:
        StructureError: it is no SMILES, or has no atoms.
    """
    chem = _chemistry()
    if any(letter.isspace() for letter in smiles.strip()):
        raise StructureError(f"the SMILES {smiles!r} has a blank: RDKit would take what follows for a name")
    made = _quietly(lambda: chem.MolFromSmiles(smiles))
    if made is None or made.GetNumAtoms() == 0:
        raise StructureError(f"{smiles!r} is no SMILES that RDKit understands: {_complaint(smiles)}")
    if any(atom.GetAtomicNum() == 0 for atom in made.GetAtoms()):
        raise StructureError(f"the SMILES {smiles!r} has an atom without an element (*)")
    if radicals := sum(atom.GetNumRadicalElectrons() for atom in made.GetAtoms()):
        raise StructureError(
            f"the SMILES {smiles!r} has {radicals} unpaired electron(s): atoms in brackets take hydrogens and charges "
            "in so many words, as in [Li+] and [OH-]"
        )
    parts = [chem.MolToSmiles(part) for part in chem.GetMolFrags(made, asMols=True)]
    if len(set(parts)) == 1 and len(parts) == 1:
        return {_species(name or _name_of(parts[0]), smiles, density=density): 1}
    if name is not None:
        raise StructureError(_NAMED_SALT.format(what=smiles, name=name))
    return {_species(_name_of(part), part): parts.count(part) for part in dict.fromkeys(parts)}


def of_file(path: Path, name: str | None = None, density: float | None = None) -> dict[Species, int]:
    """The molecule of a file with bonds, hydrogens and coordinates.

    Raises:
        StructureError: it cannot be read, has no bonds, hydrogens or coordinates, or holds several molecules.
    """
    chem = _chemistry()
    if not path.is_file():
        raise StructureError(f"the molecule {path} does not exist")
    reader = _FILES.get(path.suffix.lower())
    if reader is None:
        raise StructureError(
            f"{path} does not say which atoms are bonded, and how: a molecule is read of {', '.join(_FILES)}; write "
            "others as SMILES"
        )
    made = _quietly(lambda: getattr(chem, reader)(str(path), removeHs=False))
    if made is None or made.GetNumAtoms() == 0:
        raise StructureError(f"{path} is no molecule that RDKit understands")
    if len(chem.GetMolFrags(made)) != 1:
        raise StructureError(f"{path} holds {len(chem.GetMolFrags(made))} molecules; give each a file of its own")
    if any(atom.GetTotalNumHs() for atom in made.GetAtoms()):
        raise StructureError(f"{path} lacks hydrogens: all must be atoms of the file")
    if made.GetNumConformers() == 0 or not made.GetConformer().Is3D():
        raise StructureError(f"{path} has no coordinates in three dimensions; write the molecule as SMILES")
    smiles = chem.MolToSmiles(chem.RemoveHs(made))
    return {Species(name or path.stem, smiles, made, density): 1}


def _chemistry() -> Any:
    return rdkit("building", "build")


def _library_species(entry: library.LibraryMolecule) -> Species:
    positions = None if entry.positions is None else np.array(entry.positions)
    return _species(entry.name, entry.smiles, entry.density, positions)


def _species(name: str, smiles: str, density: float | None = None, positions: Floats | None = None) -> Species:
    chem = _chemistry()
    return Species(name, smiles, chem.AddHs(chem.MolFromSmiles(smiles)), density, positions)


def _name_of(smiles: str) -> str:
    """The name of the library, if it has this molecule; else its SMILES."""
    chem = _chemistry()
    for entry in library.molecules().values():
        if chem.CanonSmiles(entry.smiles) == smiles:
            return entry.name
    return smiles


def _quietly(action: Any) -> Any:
    log = import_module("rdkit.RDLogger")
    log.DisableLog("rdApp.*")
    try:
        return action()
    finally:
        log.EnableLog("rdApp.error")


def _complaint(smiles: str) -> str:
    """What RDKit says of it."""
    chem = _chemistry()
    unchecked = _quietly(lambda: chem.MolFromSmiles(smiles, sanitize=False))
    if unchecked is None:
        return "its brackets, rings or symbols do not close"
    if unchecked.GetNumAtoms() == 0:
        return "it is empty"
    problems = _quietly(lambda: chem.DetectChemistryProblems(unchecked))
    return "; ".join(problem.Message() for problem in problems) or "it cannot be sanitised"
