"""What Lamplighter needs to know of a LAMMPS data file that the user brings: LAMMPS itself reads the rest."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from ase.data import chemical_symbols

from lamplighter.arrays import Floats
from lamplighter.errors import StructureError
from lamplighter.structures.compressed import open_whole
from lamplighter.structures.isotopes import (
    element_of_isotope,
    element_of_standard_mass,
    may_have,
    standard_mass,
)
from lamplighter.structures.unit_styles import UNIT_STYLES, factor

# Titles of the sections are in https://docs.lammps.org/read_data.html; each stands alone on its line.
_SECTION = re.compile(r"^([A-Z][A-Za-z0-9/]*(?:\s+[A-Z][A-Za-z0-9]*)*)\s*(?:#\s*(\S+).*)?$")
_UNITS = re.compile(r"\bunits\s*=\s*(\w+)")  # as LAMMPS' write_data has it in the first line
_HEADER_LINES = 200
_MASS_TOLERANCE = 0.015  # g/mol: wide enough for rounded masses (12.0), too narrow for a CH2 bead to pass as N
_STYLE_SAMPLE = 1000  # atoms
# https://docs.lammps.org/atom_style.html; other comments behind `Atoms` are no style
_ATOM_STYLE_NAMES = """
amoeba angle apip atomic body bond bpm/sphere charge dielectric dipole dpd edpd electron ellipsoid full hybrid line mdpd
mesont molecular oxdna peri rheo rheo/thermal smd sph sphere spin tdpd template tri wavepacket
"""
_ATOM_STYLES = frozenset(_ATOM_STYLE_NAMES.split())


@dataclass
class DataHeader:
    """The part of a data file that says what is in it.

    Attributes:
        path: The file.
        n_atoms: Number of atoms.
        n_types: Number of atom types.
        triclinic: Whether the box is tilted.
        atom_style: The style named after `Atoms #`, or that which the columns tell; None: neither does.
        units: LAMMPS' unit style that the first line names, as `write_data` does, or that was given; else None.
        masses: Mass (g/mol) of each atom type that the Masses section lists, by type.
        names: What stands for the type in the Masses section: its label, or the comment behind its mass.
        has_velocities: Whether there is a Velocities section.
        coefficients: Titles of its sections of force field coefficients, in order.
        atom_columns: The first rows of the Atoms section, if no style is named there.
    """

    path: Path
    n_atoms: int = 0
    n_types: int = 0
    triclinic: bool = False
    atom_style: str | None = None
    units: str | None = None
    masses: dict[int, float] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    has_velocities: bool = False
    coefficients: list[str] = field(default_factory=list)
    atom_columns: list[list[str]] = field(default_factory=list)


def corner_of_box(path: Path) -> Floats:
    """The corner that a data file's box begins at, Å for `units metal`, shape (3,); zero where the file has no box."""
    with open_text(path) as lines:
        head = "".join(line for _, line in zip(range(_HEADER_LINES), lines, strict=False))
    if whole := re.search(r"^\s*(\S+)\s+(\S+)\s+(\S+)\s+abc\s+origin\b", head, re.M):
        return np.array([float(word) for word in whole.groups()])
    found = (re.search(rf"^\s*(\S+)\s+\S+\s+{axis}lo\s+{axis}hi\b", head, re.M) for axis in "xyz")
    return np.array([float(edge[1]) if edge else 0.0 for edge in found])


def looks_like_data(path: Path) -> bool:
    """Whether a file is a LAMMPS data file, by its header."""
    try:
        with open_text(path) as lines:
            head = "".join(line for _, line in zip(range(_HEADER_LINES), lines, strict=False))
    except OSError:
        return False
    counts = re.search(r"^\s*\d+\s+atoms\b", head, re.M)
    box = re.search(r"^[^#\n]*\bxlo\s+xhi\b|\bavec\b", head, re.M)
    return bool(counts and box)


def section_title(line: str) -> tuple[str, str | None] | None:
    """The title of a section that a line is, and the word that a comment behind it begins with; None: it is none."""
    match = _SECTION.match(line.strip())
    return (" ".join(match.group(1).split()), match.group(2)) if match else None


def read_header(path: Path, units: str | None = None) -> DataHeader:
    """Read counts, box, Masses section and titles of a data file.

    Args:
        path: The file, plain or compressed; in UTF-8 or any encoding that has ASCII in it.
        units: LAMMPS' unit style of its numbers; None: as its first line says, else metal.

    Raises:
        StructureError: the file cannot be read, has no atoms or atom types, or its units have no size (lj).
    """
    header = DataHeader(path)
    section = ""
    labels: dict[str, int] = {}
    try:
        with open_text(path) as lines:
            named = _UNITS.search(next(lines, ""))
            header.units = units or (named.group(1) if named else None)
            _require_sizes(header, units)
            for line in lines:
                title = section_title(line)
                if title:
                    section = title[0]
                    if section == "Atoms" and title[1] in _ATOM_STYLES:
                        header.atom_style = title[1]
                    header.has_velocities |= section == "Velocities"
                    if section.endswith(" Coeffs"):
                        header.coefficients.append(section)
                elif section == "":
                    _read_count(line, header)
                elif not line.partition("#")[0].strip():
                    continue
                elif section == "Atom Type Labels":
                    number, label = line.split()[:2]
                    labels[label] = int(number)
                elif section == "Masses":
                    _read_mass(line, header, labels)
                elif section == "Atoms" and header.atom_style is None and len(header.atom_columns) < _STYLE_SAMPLE:
                    header.atom_columns.append(line.partition("#")[0].split())
    except (OSError, ValueError, IndexError) as problem:
        raise StructureError(f"structure.file: LAMMPS data file {path} cannot be read: {problem}") from problem
    if header.n_atoms < 1 or header.n_types < 1:
        raise StructureError(
            f"structure.file: LAMMPS data file {path} has {header.n_atoms} atoms and {header.n_types} atom types"
        )
    if header.atom_style is None:
        header.atom_style = _style_of_columns(header.atom_columns, header.n_types, set(labels))
    return header


def elements_of_types(header: DataHeader, given: list[str] | None) -> tuple[str, ...]:
    """The element of each atom type: as given, or from the Masses section, where names and masses must agree.

    Raises:
        StructureError: the number of elements is not that of the types, one is unknown, a type's name and mass
            tell no element, or they tell different ones.
    """
    if given is not None:
        if len(given) != header.n_types:
            raise StructureError(
                f"structure.elements has {len(given)} elements ({' '.join(given)}), but {header.path} has "
                f"{header.n_types} atom types; give one for each type, in order"
            )
        for number, symbol in enumerate(given, start=1):
            if symbol not in chemical_symbols[1:]:
                raise StructureError(f"structure.elements: {symbol!r} is not an element")
            _refuse_mass_of_another(header, number, symbol)
        return tuple(given)
    return tuple(_element_of_type(header, number) for number in range(1, header.n_types + 1))


def standard_masses(elements: tuple[str, ...]) -> tuple[float, ...]:
    """Standard atomic masses (g/mol, IUPAC 2016 as in ASE)."""
    return tuple(standard_mass(symbol) for symbol in elements)


def _element_of_type(header: DataHeader, number: int) -> str:
    name = header.names.get(number, "")
    mass = header.masses.get(number)
    if mass is None:
        if name in chemical_symbols[1:]:
            return name
        raise StructureError(
            f"structure.file: {header.path} gives no mass for atom type {number}; give structure.elements, one for "
            f"each of its {header.n_types} types, in order"
        )
    if name in chemical_symbols[1:]:
        if may_have(name, mass):
            return name
        told = _element_of_mass(mass)
        raise StructureError(
            f"structure.file: atom type {number} of {header.path} is named {name}, and its mass {mass:g} g/mol is that "
            f"of {told or 'no isotope of it'} ({name} has {standard_mass(name):g}): correct one of them, or give "
            f"structure.elements, one for each of its {header.n_types} types, in order, where the name is no element"
        )
    told = _element_of_mass(mass)
    if told is None:
        raise StructureError(
            f"structure.file: atom type {number} of {header.path} has mass {mass:g} g/mol, which tells no element; "
            f"give structure.elements, one for each of its {header.n_types} types, in order, or structure.units if its "
            "numbers are not of LAMMPS' units metal"
        )
    return told


def _element_of_mass(mass: float) -> str | None:
    """The element that a mass (g/mol) tells; None: none, or no single one."""
    return element_of_standard_mass(mass, _MASS_TOLERANCE) or element_of_isotope(mass)


def _refuse_mass_of_another(header: DataHeader, number: int, symbol: str) -> None:
    """Given elements count more than names, and stand for masses that are no element's, but not against those."""
    mass = header.masses.get(number)
    if mass is None or may_have(symbol, mass):
        return
    told = _element_of_mass(mass)
    if told is not None:
        raise StructureError(
            f"structure.elements: atom type {number} is given as {symbol} ({standard_mass(symbol):g} g/mol), but its "
            f"mass in {header.path} is {mass:g} g/mol, that of {told}: give the elements in the order of the types, or "
            "correct the Masses section"
        )


def _require_sizes(header: DataHeader, given: str | None) -> None:
    if header.units is None or header.units in UNIT_STYLES:
        return
    where = "structure.units" if given else f"structure.file: the first line of {header.path}"
    reason = (
        "whose numbers are multiples of a mass, a length and an energy that the file does not name"
        if header.units == "lj"
        else "which LAMMPS does not know"
    )
    raise StructureError(
        f"{where} says units {header.units}, {reason}: write the file in one of {', '.join(UNIT_STYLES)}"
        + ("" if given else ", or give structure.units if the line is wrong")
    )


def _style_of_columns(rows: list[list[str]], n_types: int, labels: set[str]) -> str | None:
    """The atom style that columns tell (https://docs.lammps.org/read_data.html); None: they tell no single one.

    Images, three whole numbers at the end, are optional.
    """
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        return None
    width = widths.pop()

    def whole(column: int) -> bool:
        return all(re.fullmatch(r"[+-]?\d+", row[column]) for row in rows)

    def is_type(column: int) -> bool:
        return all(
            row[column] in labels or (row[column].isdigit() and 1 <= int(row[column]) <= n_types) for row in rows
        )

    if width > 7 and all(whole(column) for column in range(width - 3, width)):
        width -= 3
    if width == 5 and is_type(1):
        return "atomic"
    if width == 6:
        charge, molecular = is_type(1), whole(1) and is_type(2)
        # charges of a file that has any are not all whole numbers from 1 on
        return "molecular" if molecular else "charge" if charge else None
    if width == 7 and whole(1) and is_type(2):
        return "full"
    return None


def _read_count(line: str, header: DataHeader) -> None:
    text = line.split("#")[0].strip()
    if match := re.fullmatch(r"(\d+)\s+atoms", text):
        header.n_atoms = int(match.group(1))
    elif match := re.fullmatch(r"(\d+)\s+atom\s+types", text):
        header.n_types = int(match.group(1))
    elif re.search(r"\bxy\s+xz\s+yz$|\bavec$", text):
        header.triclinic = True


def _read_mass(line: str, header: DataHeader, labels: dict[str, int]) -> None:
    values, _, comment = line.partition("#")
    words = values.split()
    number = labels[words[0]] if words[0] in labels else int(words[0])
    header.masses[number] = float(words[1]) * factor("mass", header.units or "metal")
    if words[0] in labels:
        header.names[number] = words[0]
    elif comment.split():
        header.names[number] = comment.split()[0]


def open_text(path: Path) -> TextIO:
    """The text of a data file, plain or compressed; bytes that are not UTF-8, as in Latin-1 comments, are escaped."""
    return io.TextIOWrapper(open_whole(path), encoding="utf-8", errors="backslashreplace")
