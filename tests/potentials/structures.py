"""A real liquid, and small structures of the conformance suite, of the elements that the models of the example know."""

from __future__ import annotations

from pathlib import Path

import ase.io
from ase import Atoms

from lamplighter.conformance import structures

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
LIQUID = EXAMPLE / "data" / "ec_emc_liquid_160.xyz"

#: Element of each LAMMPS type in these tests.
ELEMENTS = ("H", "C", "O")


def liquid() -> Atoms:
    """160 atoms of EC:EMC, a real frame, bare of labels."""
    atoms = ase.io.read(LIQUID)
    assert isinstance(atoms, Atoms)
    bare = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    bare.wrap()
    return bare


def slab() -> Atoms:
    """Vacuum above the liquid: with 2 ranks or more along z some have few atoms or none."""
    atoms = liquid()
    atoms.cell[2, 2] = 80.0
    return atoms


def lone_atom() -> Atoms:
    return structures.lone_atom(ELEMENTS)


def dimer_and_lone_atom() -> Atoms:
    return structures.dimer_and_lone_atom(ELEMENTS)


def smaller_than_cutoff() -> Atoms:
    return structures.smaller_than_cutoff(ELEMENTS)
