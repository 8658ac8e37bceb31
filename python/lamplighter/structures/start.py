"""The start structure of a run, whatever file it comes from."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from lamplighter.arrays import Integers
from lamplighter.config.run_file import StructureSection
from lamplighter.errors import StructureError, TrajectoryError
from lamplighter.structures import atoms_file, lammps_data, metal_data
from lamplighter.structures.constraints import Held, held_coordinates
from lamplighter.structures.frame import atoms_of_frame
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump, begins_like_a_dump
from lamplighter.structures.molecule_list import read_molecule_list

BOND_STYLES = ("angle", "bond", "full", "molecular", "template")
"""LAMMPS atom styles with bonds, whose bonded neighbours `special_bonds` could hide."""


@dataclass(frozen=True)
class StartStructure:
    """What the script needs to know of a structure, and how to write it.

    Attributes:
        source: The file it was read from.
        n_atoms: Number of atoms, before replication.
        elements: Chemical symbol of each LAMMPS atom type, in the order of the types; isotopes are types of their own.
        boundary: The three signs of LAMMPS' `boundary`: `p` periodic, `m` shrink-wrapped.
        has_cell: Whether the file gives a cell (a molecule in the open has none).
        triclinic: Whether the box is tilted.
        atom_style: LAMMPS atom style of the data file.
        has_velocities: Whether the data file holds velocities.
        masses: Masses (g/mol) of the types that the data file does not give itself; empty if it does.
        write: Writes the LAMMPS data file to a path.
        held: Whether x, y, z of each atom are held fixed, in LAMMPS' axes, shape (n_atoms, 3); None: nothing is.
        notes: What is said of the file at the start of a run.
        rigid: Words of a fix of LAMMPS that holds molecules rigid; empty: none are.
    """

    source: Path
    n_atoms: int
    elements: tuple[str, ...]
    boundary: tuple[str, str, str]
    has_cell: bool
    triclinic: bool
    atom_style: str
    has_velocities: bool
    masses: tuple[float, ...]
    write: Callable[[Path], None]
    held: Held | None = None
    notes: tuple[str, ...] = ()
    rigid: str = ""

    @property
    def periodic(self) -> bool:
        """Whether it repeats in all three directions."""
        return self.has_cell and self.boundary == ("p", "p", "p")


def read_start_structure(settings: StructureSection) -> StartStructure:
    """Read and check the structure that a run file names.

    Raises:
        StructureError: the file is missing or unreadable, holds no atoms or NaN positions, has atoms closer
            than 0.1 Å, an impossible cell, atom types without a known element, or other atoms than its list of
            molecules.
    """
    path = settings.file
    if not path.is_file():
        raise StructureError(f"structure.file: {path} does not exist")
    if settings.format == "lammps-data" or (settings.format is None and lammps_data.looks_like_data(path)):
        return _from_lammps_data(settings)
    return _from_atoms_file(settings)


def _from_lammps_data(settings: StructureSection) -> StartStructure:
    header = lammps_data.read_header(settings.file, settings.units)
    atom_style = settings.atom_style or header.atom_style
    if atom_style is None:
        columns = " ".join(header.atom_columns[0]) if header.atom_columns else "none"
        raise StructureError(
            f"structure.file: {settings.file} does not say its atom style, and its columns ({columns}) tell no single "
            "one: write `Atoms # full` (or atomic, charge, molecular …) in it, or give structure.atom_style"
        )
    periodic = settings.periodic or (True, True, True)
    elements = lammps_data.elements_of_types(header, settings.elements)
    masses = () if header.masses else lammps_data.standard_masses(elements)
    if settings.molecules is not None:
        listed = read_molecule_list(settings.molecules)
        listed.refuse_other_atoms(_numbers_of_data(header, atom_style, elements), str(settings.file))

    def write(target: Path) -> None:
        metal_data.write_metal(header, atom_style, target)

    return StartStructure(
        source=settings.file,
        n_atoms=header.n_atoms,
        elements=elements,
        boundary=_boundary(periodic),
        has_cell=True,
        triclinic=header.triclinic,
        atom_style=atom_style,
        has_velocities=header.has_velocities,
        masses=masses,
        write=write,
        notes=metal_data.notes_on(header),
    )


def _numbers_of_data(header: lammps_data.DataHeader, atom_style: str, elements: Sequence[str]) -> Integers:
    """Atomic numbers in the order of the atoms' IDs, in which a list of molecules has them; shape (n_atoms,)."""
    text = io.StringIO(metal_data.metal_text(header, atom_style))
    types = {number: atomic_numbers[symbol] for number, symbol in enumerate(elements, start=1)}
    atoms = ase.io.read(text, format="lammps-data", Z_of_type=types, atom_style=atom_style, parallel=False)
    return np.asarray(atoms.numbers, dtype=np.int64)


def _from_atoms_file(settings: StructureSection) -> StartStructure:
    is_dump = begins_like_a_dump(settings.file)
    for key in ("elements", "units"):
        if getattr(settings, key) is not None and not is_dump:
            raise StructureError(f"structure.{key} is for LAMMPS files; {settings.file} names its own {key}")
    if settings.atom_style not in (None, "atomic", "charge"):
        raise StructureError(
            f"structure.atom_style: {settings.atom_style!r} needs a LAMMPS data file; {settings.file} can be "
            "atomic or charge"
        )
    notes: tuple[str, ...] = ()
    if is_dump:
        atoms = _atoms_of_dump(settings)
    else:
        atoms, notes = atoms_file.read_atoms(settings.file, settings.format, settings.index)
    if settings.periodic is not None:
        atoms.pbc = settings.periodic
    has_cell = bool(atoms.cell.rank == 3)
    atoms_file.check(atoms, settings.file)
    if settings.molecules is not None:
        read_molecule_list(settings.molecules).refuse_other_atoms(atoms.numbers, str(settings.file))
    boxed = atoms_file.boxed(atoms, settings.file)
    if atoms_file.is_left_handed(atoms):
        text = f"the cell vectors of {settings.file} are left-handed: one was turned around, which is the same lattice"
        notes = (*notes, text)
    held = None
    if boxed.constraints and settings.constraints == "keep":
        held = held_coordinates(boxed, settings.file)
        notes = (*notes, _held_in_words(held, settings.file))
    types = atoms_file.atom_types(boxed, settings.file)
    style = settings.atom_style or "atomic"

    def write(target: Path) -> None:
        atoms_file.write_data(boxed, target, types, style)

    return StartStructure(
        source=settings.file,
        n_atoms=len(boxed),
        elements=types.elements,
        boundary=_boundary(tuple(boxed.pbc)),
        has_cell=has_cell,
        triclinic=atoms_file.is_tilted(boxed),
        atom_style=style,
        has_velocities=bool(boxed.has("momenta")),
        masses=(),
        write=write,
        held=held,
        notes=notes,
    )


def _atoms_of_dump(settings: StructureSection) -> Atoms:
    """One frame of a LAMMPS dump, whose atom types are no atomic numbers.

    Raises:
        StructureError: there is no such frame, or its elements are not known.
    """
    types = AtomTypes(dict(enumerate(settings.elements or (), start=1)), {})
    try:
        frames = list(LammpsDump(settings.file, types, settings.units))
    except TrajectoryError as problem:
        raise StructureError(f"structure.file: {problem}") from None
    if not -len(frames) <= settings.index < len(frames):
        raise StructureError(f"structure.index: {settings.file} has no frame {settings.index}: it has {len(frames)}")
    frame = frames[settings.index]
    if not frame.numbers.all():
        raise StructureError(
            f"structure.file: the LAMMPS dump {settings.file} numbers atom types and names no elements: give "
            "structure.elements, one for each type, in order"
        )
    atoms = atoms_of_frame(frame)
    if frame.velocities is not None:
        atoms.set_velocities(frame.velocities / atoms_file.PS)
    return atoms


def _held_in_words(held: Held, path: Path) -> str:
    fixed = held.all(axis=1)
    partly = held.any(axis=1) & ~fixed
    axes = [name for axis, name in enumerate("xyz") if held[partly, axis].any()]
    text = f"constraints of {path} hold {(fixed | partly).sum()} of {len(held)} atoms fixed"
    return f"{text}, {partly.sum()} of them along {' or '.join(axes)} only" if partly.any() else text


def _boundary(periodic: tuple[bool, ...]) -> tuple[str, str, str]:
    first, second, third = ("p" if each else "m" for each in periodic)
    return first, second, third
