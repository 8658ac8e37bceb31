"""Structures from any file that ASE reads, checked and put into a box that LAMMPS can take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.lammps import Prism
from ase.io import read
from ase.neighborlist import neighbor_list

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import StructureError
from lamplighter.structures.isotopes import may_have, standard_mass
from lamplighter.structures.read_by_ase import stated_format, with_stated_elements
from lamplighter.structures.text_for_ase import as_ase_reads_it

PS = 1e3 * units.fs
"""A picosecond in ASE's unit of time."""
_HEAVY_HYDROGEN = re.compile(r"^'[DT]'$|label [DT]\d*\b")

OVERLAP_A = 0.1
"""Atoms closer than this (Å) are taken for a mistake in the file."""

DENSEST_A3 = 0.7
"""Volume (Å³) of an atom below which a periodic cell is taken for a mistake; in diamond it has 5.7."""

MARGIN_A = 10.0
"""Room (Å) left around the atoms in a direction without a cell vector; LAMMPS shrink-wraps such a box."""


@dataclass(frozen=True)
class AtomTypesOfStructure:
    """The LAMMPS atom types of a structure.

    Attributes:
        elements: Chemical symbol of each type.
        masses: g/mol, of each type; isotopes of an element are types of their own.
        of_atom: The type of each atom, from 1, shape (n,).
    """

    elements: tuple[str, ...]
    masses: tuple[float, ...]
    of_atom: Integers


def read_atoms(
    path: Path, file_format: str | None, index: int, names: Mapping[str, str] | None = None
) -> tuple[Atoms, tuple[str, ...]]:
    """One frame of a file, and what is said of the file at the start of a run; `names` as `read_by_ase.read_by_ase`.

    Raises:
        StructureError: ASE cannot read the file, it has no frame `index`, or it contradicts itself.
    """
    try:
        with as_ase_reads_it(path, file_format) as (readable, notes):
            # without parallel=False ASE would talk to the other ranks, which are not reading
            told = stated_format(path, readable, file_format)
            atoms = read(readable, index=index, format=file_format, parallel=False, do_not_split_by_at_sign=True)
    except (IndexError, StopIteration):
        raise StructureError(f"structure.index: {path} has no frame {index}") from None
    except StructureError:
        raise
    except KeyError as problem:
        if str(problem).strip("'").isdigit():
            raise StructureError(
                f"structure.file: {path} has numbers in place of symbols ({problem}), which may be atom types: write "
                "the symbols of the elements"
            ) from None
        if not _HEAVY_HYDROGEN.search(str(problem)):
            raise _unreadable(path, problem) from problem
        raise StructureError(
            f"structure.file: ASE knows no element of the name in {path} ({problem}): write deuterium and tritium as "
            "H, and their masses (2.014, 3.016 g/mol) into a column `masses` of an extended XYZ file"
        ) from None
    except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
        raise _unreadable(path, problem) from problem
    assert isinstance(atoms, Atoms)
    atoms = with_stated_elements(atoms, path, told, names or {})
    if readable.suffix == ".gro" and not atoms.cell.array.any():
        atoms.pbc = False
        notes = (*notes, f"the box of {path} is 0 0 0, a placeholder: the structure has no cell")
    return atoms, notes


def _unreadable(path: Path, problem: Exception) -> StructureError:
    return StructureError(
        f"structure.file: ASE cannot read {path} ({type(problem).__name__}: {problem}); if its format is not "
        "clear from its name, give structure.format"
    )


def check(atoms: Atoms, path: Path) -> None:
    """Refuse what no force field can make sense of.

    Raises:
        StructureError: no atoms, positions that are not finite, unknown elements, a cell of no volume in a periodic
            direction or denser than any matter, or atoms less than 0.1 Å apart; the first
            offender is named.
    """
    if len(atoms) == 0:
        raise StructureError(f"structure.file: {path} holds no atoms")
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        raise StructureError(
            f"structure.file: {path} has positions that are not finite: atom {bad[0]} ({atoms.symbols[bad[0]]}) is at "
            f"{atoms.positions[bad[0]]}, {len(bad)} atom(s) in all"
        )
    if not np.isfinite(atoms.cell.array).all():
        raise StructureError(f"structure.file: {path} has a cell that is not finite: {atoms.cell.array.tolist()}")
    unknown = np.flatnonzero(atoms.numbers == 0)
    if len(unknown):
        raise StructureError(f"structure.file: atom {unknown[0]} of {path} is of no known element")
    for axis in range(3):
        if atoms.pbc[axis] and not atoms.cell[axis].any():
            raise StructureError(f"structure.file: {path} is periodic along {'abc'[axis]} but has no such cell vector")
    if atoms.cell.rank == 3 and all(atoms.pbc) and abs(atoms.get_volume()) < DENSEST_A3 * len(atoms):
        raise StructureError(
            f"structure.file: the cell of {path} has {abs(atoms.get_volume()):.3g} Å³ for {len(atoms)} atoms, denser "
            "than any matter: is it a placeholder for none (then leave it out, or give structure.periodic: [false, "
            "false, false]), or in other units than Å?"
        )
    first, second, distance = neighbor_list("ijd", atoms, OVERLAP_A)
    if len(first):
        i, j = first[0], second[0]
        raise StructureError(
            f"structure.file: atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) of {path} are "
            f"{distance[0]:.3g} Å apart, less than {OVERLAP_A} Å: they overlap (an atom listed twice, or a wrong cell?)"
        )


def is_left_handed(atoms: Atoms) -> bool:
    """Whether the cell vectors of a structure are left-handed: a · (b × c) < 0."""
    return bool(np.linalg.det(atoms.cell.array) < 0.0)


def boxed(atoms: Atoms, path: Path) -> Atoms:
    """A copy with a full, right-handed cell that holds all atoms in its non-periodic directions.

    LAMMPS holds right-handed cells only. Of a left-handed one a vector is turned around, which leaves the lattice, and
    with it the system, as it is; to mirror it would be another system.

    Raises:
        StructureError: a non-periodic direction is not perpendicular to the others, which LAMMPS cannot hold.
    """
    copy = atoms.copy()
    given = [bool(vector.any()) for vector in copy.cell]
    copy.cell = copy.cell.complete()
    if is_left_handed(copy):
        turned = max(range(3), key=lambda axis: (bool(copy.pbc[axis]), axis))
        copy.cell[turned] *= -1.0
    for axis in range(3):
        if copy.pbc[axis]:
            continue
        others = [other for other in range(3) if other != axis]
        if any(abs(np.dot(copy.cell[axis], copy.cell[other])) > 1e-6 for other in others):
            raise StructureError(
                f"structure.file: the cell of {path} is not periodic along {'abc'[axis]} and tilted there; LAMMPS "
                "needs that vector perpendicular to the other two"
            )
        inside = copy.get_scaled_positions(wrap=False)[:, axis]
        if not given[axis] or inside.min() < 0 or inside.max() >= 1:
            copy.center(vacuum=MARGIN_A, axis=axis)
    return copy


def atom_types(atoms: Atoms, path: Path) -> AtomTypesOfStructure:
    """The LAMMPS atom types of a structure: by atomic number, and where the file gives masses, by mass.

    Raises:
        StructureError: a mass that its element cannot have.
    """
    numbers = np.asarray(atoms.numbers)
    masses = np.array([standard_mass(symbol) for symbol in atoms.symbols])
    given = _given_masses(atoms, path)
    if given is not None:
        for atom in np.flatnonzero(masses != given):
            symbol = atoms.symbols[atom]
            if not may_have(symbol, given[atom]):
                raise StructureError(
                    f"structure.file: atom {atom} of {path} is {symbol} ({masses[atom]:g} g/mol), and its mass in the "
                    f"file is {given[atom]:g} g/mol, which no isotope of {symbol} has: correct one of them, or leave "
                    "the masses out"
                )
        masses = given
    # masses that differ in the last digits of a file are one type
    keys = [(int(number), round(float(mass), 4)) for number, mass in zip(numbers, masses, strict=True)]
    kinds = sorted(set(keys))
    of_atom = np.array([kinds.index(key) for key in keys]) + 1
    first = [keys.index(kind) for kind in kinds]
    return AtomTypesOfStructure(
        elements=tuple(atoms.symbols[atom] for atom in first),
        masses=tuple(float(masses[atom]) for atom in first),
        of_atom=of_atom,
    )


def _given_masses(atoms: Atoms, path: Path) -> Floats | None:
    """The masses (g/mol) that a file gives: ASE's array, or a column `mass` of an extended XYZ file."""
    if atoms.has("masses"):
        return np.asarray(atoms.get_masses(), dtype=np.float64)
    column = atoms.arrays.get("mass")
    if column is None or column.shape != (len(atoms),) or column.dtype.kind not in "if":
        return None
    return np.asarray(column, dtype=np.float64)


def is_tilted(atoms: Atoms) -> bool:
    """Whether LAMMPS needs a triclinic box for it."""
    return bool(Prism(atoms.cell).is_skewed())


def write_data(atoms: Atoms, target: Path, types: AtomTypesOfStructure, atom_style: str) -> None:
    """Write a LAMMPS data file (`units metal`), atoms in the order of `atoms`, with velocities if it has any.

    Args:
        atoms: In a full cell.
        target: Where to.
        types: Of the atoms.
        atom_style: `atomic` or `charge`.
    """
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    lx, ly, lz, *tilts = prism.get_lammps_prism()
    box = [f"0.0 {length:.17g} {axis}lo {axis}hi" for axis, length in zip("xyz", (lx, ly, lz), strict=True)]
    if prism.is_skewed():
        box.append(" ".join(f"{tilt:.17g}" for tilt in tilts) + " xy xz yz")
    head = ["LAMMPS data file written by Lamplighter, units = metal", ""]
    head += [f"{len(atoms)} atoms", f"{len(types.elements)} atom types", "", *box, "", "Masses", ""]
    for number, (element, mass) in enumerate(zip(types.elements, types.masses, strict=True), start=1):
        head.append(f"{number} {mass:.17g} # {element}")
    charges = atoms.get_initial_charges() if atom_style == "charge" else None
    with target.open("w", encoding="ascii") as file:
        file.write("\n".join([*head, "", f"Atoms # {atom_style}", "", ""]))
        for atom, (x, y, z) in enumerate(prism.vector_to_lammps(atoms.positions, wrap=False)):
            charge = "" if charges is None else f"{charges[atom]:.17g} "
            file.write(f"{atom + 1} {types.of_atom[atom]} {charge}{x:.17g} {y:.17g} {z:.17g}\n")
        if atoms.has("momenta"):
            file.write("\nVelocities\n\n")
            velocities = prism.vector_to_lammps(atoms.get_velocities() * PS, wrap=False)
            for atom, (x, y, z) in enumerate(velocities, start=1):
                file.write(f"{atom} {x:.17g} {y:.17g} {z:.17g}\n")
