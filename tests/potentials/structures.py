"""Structures that have broken, or could break, a potential under MPI: each with what is special about it."""

from __future__ import annotations

from pathlib import Path

import ase.io
from ase import Atoms

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


def triclinic() -> Atoms:
    atoms = liquid()
    cell = atoms.cell.array.copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = 3.0, -2.0, 1.5
    atoms.set_cell(cell, scale_atoms=False)
    atoms.rattle(0.01, seed=1)
    return atoms


def slab() -> Atoms:
    """Vacuum above the liquid: with 2 ranks or more along z some have few atoms or none."""
    atoms = liquid()
    atoms.cell[2, 2] = 80.0
    return atoms


def not_periodic() -> Atoms:
    atoms = liquid()
    atoms.cell[0, 0] = 90.0
    atoms.positions[:, 0] += 30.0
    atoms.pbc = (False, True, True)
    return atoms


def lone_atom() -> Atoms:
    """No pair anywhere; all ranks but one are empty."""
    return Atoms("O", [[1.0, 1.0, 1.0]], cell=[20.0] * 3, pbc=True)


def dimer_across_ranks() -> Atoms:
    """One pair per rank: the boundary between 2 ranks passes between the atoms."""
    return Atoms("OH", [[9.6, 10.0, 10.0], [10.5, 10.0, 10.0]], cell=[20.0, 19.0, 18.0], pbc=True)


def dimer_and_lone_atom() -> Atoms:
    return Atoms("OHC", [[1, 1, 1], [1.9, 1, 1], [15, 15, 15]], cell=[20.0] * 3, pbc=True)


def smaller_than_cutoff() -> Atoms:
    """Atoms neighbour their own images, several times over."""
    return Atoms("CO", [[0, 0, 0], [1.2, 0.1, 0.2]], cell=[2.6, 2.8, 3.0], pbc=True)


def smaller_than_cutoff_triclinic() -> Atoms:
    return Atoms("CO", [[0, 0, 0], [1.2, 0.1, 0.2]], cell=[[2.9, 0, 0], [0.6, 2.8, 0], [0.3, -0.4, 3.0]], pbc=True)


ALL = {
    function.__name__: function
    for function in (
        liquid,
        triclinic,
        slab,
        not_periodic,
        lone_atom,
        dimer_across_ranks,
        dimer_and_lone_atom,
        smaller_than_cutoff,
        smaller_than_cutoff_triclinic,
    )
}
