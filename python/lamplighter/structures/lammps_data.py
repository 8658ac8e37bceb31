"""What Lamplighter needs to know of a LAMMPS data file that the user brings: LAMMPS itself reads the rest."""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ase.data import atomic_masses, chemical_symbols

from lamplighter.errors import StructureError

# Titles of the sections are in https://docs.lammps.org/read_data.html; each stands alone on its line.
_SECTION = re.compile(r"^([A-Z][A-Za-z/]*(?: [A-Z][A-Za-z]*)*)\s*(?:#\s*(\S+).*)?$")
_HEADER_LINES = 200
_MASS_TOLERANCE = 0.015  # g/mol: wide enough for rounded masses (12.0), too narrow for a CH2 bead to pass as N


@dataclass
class DataHeader:
    """The part of a data file that says what is in it.

    Attributes:
        path: The file.
        n_atoms: Number of atoms.
        n_types: Number of atom types.
        triclinic: Whether the box is tilted.
        atom_style: The style named after `Atoms #`; None if it is not named.
        masses: Mass (g/mol) of each atom type that the Masses section lists, by type.
        names: What stands for the type in the Masses section: its label, or the comment behind its mass.
        has_velocities: Whether there is a Velocities section.
    """

    path: Path
    n_atoms: int = 0
    n_types: int = 0
    triclinic: bool = False
    atom_style: str | None = None
    masses: dict[int, float] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    has_velocities: bool = False


def copy(source: Path, target: Path) -> None:
    """Copy a data file as it is; a gzipped one is unpacked."""
    with gzip.open(source) if source.suffix == ".gz" else source.open("rb") as data, target.open("wb") as out:
        shutil.copyfileobj(data, out)


def looks_like_data(path: Path) -> bool:
    """Whether a file is a LAMMPS data file, by its header."""
    try:
        with _open(path) as lines:
            head = "".join(line for _, line in zip(range(_HEADER_LINES), lines, strict=False))
    except (OSError, UnicodeDecodeError):
        return False
    counts = re.search(r"^\s*\d+\s+atoms\b", head, re.M)
    box = re.search(r"^[^#\n]*\bxlo\s+xhi\b|\bavec\b", head, re.M)
    return bool(counts and box)


def read_header(path: Path) -> DataHeader:
    """Read counts, box, Masses section and titles of a data file.

    Raises:
        StructureError: the file cannot be read, or has no atoms or atom types.
    """
    header = DataHeader(path)
    section = ""
    labels: dict[str, int] = {}
    try:
        with _open(path) as lines:
            next(lines, None)
            for line in lines:
                title = _SECTION.match(line.strip())
                if title:
                    section = title.group(1)
                    if section == "Atoms":
                        header.atom_style = title.group(2)
                    header.has_velocities |= section == "Velocities"
                elif section == "":
                    _read_count(line, header)
                elif section == "Atom Type Labels" and line.strip():
                    number, label = line.split()[:2]
                    labels[label] = int(number)
                elif section == "Masses" and line.strip():
                    _read_mass(line, header, labels)
    except (OSError, UnicodeDecodeError, ValueError, IndexError) as problem:
        raise StructureError(f"structure.file: LAMMPS data file {path} cannot be read: {problem}") from problem
    if header.n_atoms < 1 or header.n_types < 1:
        raise StructureError(
            f"structure.file: LAMMPS data file {path} has {header.n_atoms} atoms and {header.n_types} atom types"
        )
    return header


def elements_of_types(header: DataHeader, given: list[str] | None) -> tuple[str, ...]:
    """The element of each atom type: as given, or from the Masses section (names first, then masses).

    Raises:
        StructureError: the number of elements is not that of the types, one is unknown, or a type's name and
            mass tell no element.
    """
    if given is not None:
        if len(given) != header.n_types:
            raise StructureError(
                f"structure.elements has {len(given)} elements ({' '.join(given)}), but {header.path} has "
                f"{header.n_types} atom types; give one for each type, in order"
            )
        for symbol in given:
            if symbol not in chemical_symbols[1:]:
                raise StructureError(f"structure.elements: {symbol!r} is not an element")
        return tuple(given)
    return tuple(_element_of_type(header, number) for number in range(1, header.n_types + 1))


def standard_masses(elements: tuple[str, ...]) -> tuple[float, ...]:
    """Standard atomic masses (g/mol, IUPAC 2016 as in ASE)."""
    return tuple(float(atomic_masses[chemical_symbols.index(symbol)]) for symbol in elements)


def _element_of_type(header: DataHeader, number: int) -> str:
    name = header.names.get(number, "")
    if name in chemical_symbols[1:]:
        return name
    mass = header.masses.get(number)
    if mass is None:
        raise StructureError(
            f"structure.file: {header.path} gives no mass for atom type {number}; give structure.elements, one for "
            f"each of its {header.n_types} types, in order"
        )
    near = [
        symbol
        for symbol, standard in zip(chemical_symbols[1:], atomic_masses[1:], strict=True)
        if abs(standard - mass) < _MASS_TOLERANCE
    ]
    if len(near) != 1:
        raise StructureError(
            f"structure.file: atom type {number} of {header.path} has mass {mass} g/mol, which tells "
            f"{'no element' if not near else 'no single element'}; give structure.elements, one for each of its "
            f"{header.n_types} types, in order"
        )
    return near[0]


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
    header.masses[number] = float(words[1])
    if words[0] in labels:
        header.names[number] = words[0]
    elif comment.split():
        header.names[number] = comment.split()[0]


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
