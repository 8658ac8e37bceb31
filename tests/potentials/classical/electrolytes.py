"""Small boxes of molecules on a grid, with their lists of molecules: what tests of classical force fields share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write
from scipy.spatial.transform import Rotation

from lamplighter.config.potential import PotentialSection
from lamplighter.structures.molecule_list import Component, MoleculeList

SMILES = {
    "EC": "O=C1OCCO1",
    "EMC": "CCOC(=O)OC",
    "DMC": "COC(=O)OC",
    "DEC": "CCOC(=O)OCC",
    "PC": "CC1COC(=O)O1",
    "VC": "O=C1OC=CO1",
    "FEC": "O=C1OCC(F)O1",
    "Li": "[Li+]",
    "PF6": "F[P-](F)(F)(F)(F)F",
    "water": "O",
    "Na": "[Na+]",
    "Cl": "[Cl-]",
    "TFSI": "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
    "FSI": "O=S(=O)(F)[N-]S(=O)(=O)F",
    "BF4": "F[B-](F)(F)F",
    "EMIM": "Cn1cc[n+](CC)c1",
    "BMIM": "Cn1cc[n+](CCCC)c1",
}


@dataclass(frozen=True)
class Kind:
    """One molecule: its entry in a list of molecules, and its shape (Å)."""

    component: Component
    positions: np.ndarray


@lru_cache
def kind(name: str) -> Kind:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    molecule = Chem.AddHs(Chem.MolFromSmiles(SMILES[name]))
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    elements = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    component = Component(
        name=name,
        molecules=1,
        smiles=SMILES[name],
        mapped_smiles=Chem.MolToSmiles(molecule),
        charge=Chem.GetFormalCharge(molecule),
        elements=elements,
        bonds=[(bond.GetBeginAtomIdx() + 1, bond.GetEndAtomIdx() + 1) for bond in molecule.GetBonds()],
    )
    if name == "PF6":
        axes = iter(1.606 * np.concatenate([np.eye(3), -np.eye(3)]))
        positions = np.array([next(axes) if symbol == "F" else np.zeros(3) for symbol in elements])
    elif name == "water":
        half = np.radians(0.5 * 109.47)
        positions = np.array([[0, 0, 0], [np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    elif len(elements) == 1:
        positions = np.zeros((1, 3))
    else:
        AllChem.EmbedMolecule(molecule, randomSeed=1)
        if AllChem.MMFFHasAllMoleculeParams(molecule):
            AllChem.MMFFOptimizeMolecule(molecule)
        positions = molecule.GetConformer().GetPositions()
    return Kind(component, positions - positions.mean(axis=0))


def box(parts: Sequence[tuple[str, int]], spacing: float, seed: int = 1) -> tuple[Atoms, MoleculeList]:
    """Molecules, turned at random, on the sites of a cubic grid in random order; distorted a little."""
    random = np.random.default_rng(seed)
    number = sum(n for _, n in parts)
    edge = int(np.ceil(number ** (1 / 3) - 1e-9))
    sites = np.stack(np.meshgrid(*[np.arange(edge)] * 3), axis=-1).reshape(-1, 3)[random.permutation(edge**3)]
    symbols: list[str] = []
    positions = []
    for name in (name for name, n in parts for _ in range(n)):
        turned = Rotation.random(random_state=int(random.integers(10**9))).apply(kind(name).positions)
        shaken = turned if name == "water" else turned + random.normal(scale=0.02, size=turned.shape)
        positions.append(shaken + (sites[len(positions)] + 0.5) * spacing)
        symbols += kind(name).component.elements
    atoms = Atoms(symbols, np.concatenate(positions), cell=[edge * spacing] * 3, pbc=True)
    components = [kind(name).component.model_copy(update={"molecules": n}) for name, n in parts]
    return atoms, MoleculeList(components=components)


def written(folder: Path, parts: Sequence[tuple[str, int]], spacing: float, seed: int = 1) -> dict[str, str]:
    """The section `structure` of a run file for such a box."""
    atoms, molecules = box(parts, spacing, seed)
    write(folder / "box.xyz", atoms)
    molecules.write(folder / "molecules.yaml")
    return {"file": str(folder / "box.xyz"), "molecules": str(folder / "molecules.yaml")}


def potential(folder: Path, molecules: MoleculeList, **keys: Any) -> PotentialSection:
    """A resolved section `potential`."""
    molecules.write(folder / "molecules.yaml")
    return PotentialSection(classical="opls-aa", molecules=folder / "molecules.yaml", **keys).resolved(folder)
