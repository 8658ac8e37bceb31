"""Constraints of structure files: what is held of which atom, in the axes that LAMMPS has for the cell."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import (
    FixAtoms,
    FixBondLength,
    FixCartesian,
    FixCom,
    FixConstraint,
    FixedLine,
    FixedPlane,
    FixScaled,
    Hookean,
)
from ase.lattice.hexagonal import Graphite

from lamplighter.config import StructureSection
from lamplighter.errors import StructureError
from lamplighter.structures import read_start_structure
from lamplighter.structures.start import StartStructure

ALL, NONE = (True, True, True), (False, False, False)


def argon(*constraints: FixConstraint, cell: object = (9.0, 10.0, 11.0)) -> Atoms:
    positions = [[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 4]]
    return Atoms("Ar4", positions=positions, cell=cell, pbc=True, constraint=list(constraints))


def start_of(folder: Path, atoms: Atoms, name: str) -> StartStructure:
    ase.io.write(folder / name, atoms)
    return read_start_structure(StructureSection(file=folder / name))


def held(start: StartStructure) -> list[tuple[bool, ...]]:
    assert start.held is not None
    return [tuple(map(bool, row)) for row in start.held]


POSCAR = """argon
1.0
9 0 0
0 10 0
0 0 11
Ar
4
Selective dynamics
Direct
0.0 0.0 0.0 F F F
0.4 0.0 0.0 T T T
0.0 0.4 0.0 T F T
0.0 0.0 0.4 F F T
"""


def test_selective_dynamics_of_a_poscar(tmp_path: Path) -> None:
    (tmp_path / "POSCAR").write_text(POSCAR)
    start = read_start_structure(StructureSection(file=tmp_path / "POSCAR"))
    assert held(start) == [ALL, NONE, (False, True, False), (True, True, False)]
    assert start.notes[0].endswith("POSCAR hold 3 of 4 atoms fixed, 2 of them along x or y only")
    free = read_start_structure(StructureSection(file=tmp_path / "POSCAR", constraints="ignore"))
    assert (free.held, free.notes) == (None, ())


def test_constraints_of_other_files(tmp_path: Path) -> None:
    whole = argon(FixAtoms([1, 3]))
    expected = [NONE, ALL, NONE, ALL]
    for name in ("whole.xyz", "whole.traj", "whole.json"):
        assert held(start_of(tmp_path, whole, name)) == expected, name
    partly = argon(FixCartesian([0], (True, False, True)), FixAtoms([2]))
    expected = [(True, False, True), NONE, ALL, NONE]
    for name in ("partly.xyz", "partly.traj", "partly.json"):
        assert held(start_of(tmp_path, partly, name)) == expected, name
    assert start_of(tmp_path, argon(), "free.traj").held is None


def test_lines_planes_and_lattice_directions(tmp_path: Path) -> None:
    atoms = argon(FixedLine(0, (0, 0, 2)), FixedPlane(1, (0, 1, 0)), FixedPlane(2, (1, 0, 0)), FixedPlane(2, (1, 1, 0)))
    expected = [(True, True, False), (False, True, False), (True, True, False), NONE]
    assert held(start_of(tmp_path, atoms, "lines.traj")) == expected
    # c is along z in LAMMPS, too, and a* and b* span the plane of a and b
    hexagonal = Graphite("C", latticeconstant={"a": 2.46, "c": 6.71})
    hexagonal.set_constraint(
        [FixScaled([0], (False, False, True)), FixScaled([1], (True, True, False)), FixScaled([2])]
    )
    assert held(start_of(tmp_path, hexagonal, "graphite.traj")) == [
        (False, False, True),
        (True, True, False),
        ALL,
        NONE,
    ]


def test_axes_are_those_that_lammps_has_for_the_cell(tmp_path: Path) -> None:
    """LAMMPS turns the first cell vector to x: here it lies along y, the second along z, the third along x."""
    cell = np.roll(np.eye(3) * 9, 1, axis=1)
    along_y, along_x = FixCartesian([0], (False, True, False)), FixCartesian([1], (True, False, False))
    turned = argon(along_y, along_x, cell=cell)
    assert held(start_of(tmp_path, turned, "turned.traj")) == [(True, False, False), (False, False, True), NONE, NONE]


@pytest.mark.parametrize(
    "constraint",
    [FixBondLength(0, 1), FixCom(), Hookean(0, 1, 5.0, rt=2.0)],
    ids=lambda constraint: type(constraint).__name__,
)
def test_what_lammps_cannot_keep_is_refused_by_name(tmp_path: Path, constraint: FixConstraint) -> None:
    name = type(constraint).__name__
    atoms = argon(constraint)
    with pytest.raises(StructureError, match=f"the constraint {name}, which cannot be kept in LAMMPS .*: ignore"):
        start_of(tmp_path, atoms, "start.traj")


def test_a_direction_between_the_axes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        StructureError, match=r"atom 1 \(Ar\) of .* is held along -?0.707 -?0.707 -?0 in the axes of LAMMPS"
    ):
        start_of(tmp_path, argon(FixedPlane(1, (1, 1, 0))), "oblique.traj")
    assert held(start_of(tmp_path, argon(FixedPlane(1, (1, 1, 0)), FixAtoms([1])), "fixed.traj"))[1] == ALL
