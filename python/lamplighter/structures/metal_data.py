"""A LAMMPS data file that the user brings, as a run takes it: in metal units, without what LAMMPS would stumble over.

LAMMPS reads a section line by line and takes a comment or an empty line in it for an atom or a mass; it reads
coefficients only after the styles that they belong to, which a machine-learned potential does not have.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lamplighter.errors import StructureError
from lamplighter.structures.compressed import open_whole
from lamplighter.structures.lammps_data import DataHeader, open_text, section_title
from lamplighter.structures.unit_styles import factor

# First column of the positions in the Atoms section, and of the charge (https://docs.lammps.org/read_data.html).
_POSITIONS = {"atomic": 2, "charge": 3, "bond": 3, "angle": 3, "molecular": 3, "full": 4}
_CHARGE = {"charge": 2, "full": 3}
_BOX = ("xlo xhi", "ylo yhi", "zlo zhi", "xy xz yz", "avec", "bvec", "cvec", "abc origin")
_TOPOLOGY = ("Bonds", "Angles", "Dihedrals", "Impropers")


def notes_on(header: DataHeader) -> tuple[str, ...]:
    """What is said of a data file that is not taken as it stands."""
    notes = []
    if header.units not in (None, "metal"):
        notes.append(
            f"{header.path} is of units {header.units}: its box, positions, velocities, masses and charges are "
            "converted"
        )
    if header.units is None and header.has_velocities:
        notes.append(
            f"{header.path} names no units: its numbers are taken for those of units metal, velocities in Å/ps; give "
            "structure.units if they are not"
        )
    if header.coefficients:
        notes.append(
            f"{header.path} holds coefficients of a force field ({', '.join(dict.fromkeys(header.coefficients))}), "
            "which are left out: the potential of the run file is all that acts"
        )
    return tuple(notes)


def write_metal(header: DataHeader, atom_style: str, target: Path) -> None:
    """Write a data file for `units metal`; one that needs no change is copied byte for byte.

    Args:
        header: Of the data file.
        atom_style: Of its Atoms section.
        target: Where to.

    Raises:
        StructureError: an atom style, or a section, whose numbers cannot be converted to metal units; a line with a
            number that is none.
    """
    path = header.path
    head, sections = _split(path)
    if (header.units or "metal") == "metal" and all(_is_plain(section) for section in sections):
        with open_whole(path) as data, target.open("wb") as out:
            shutil.copyfileobj(data, out)
        return
    target.write_text(_text(header, atom_style, head, sections), encoding="utf-8")


def metal_text(header: DataHeader, atom_style: str) -> str:
    """What `write_metal` writes of a file that needs a change. Raises as it."""
    return _text(header, atom_style, *_split(header.path))


@dataclass(frozen=True)
class _Section:
    title: str
    lines: list[str]  # with that of the title

    @property
    def rows(self) -> list[str]:
        return [line for line in self.lines[1:] if line.partition("#")[0].strip()]


def _split(path: Path) -> tuple[list[str], list[_Section]]:
    """The lines of the header, and the sections."""
    head: list[str] = []
    sections: list[_Section] = []
    with open_text(path) as lines:
        head.append(next(lines, ""))
        for line in lines:
            title = section_title(line)
            if title:
                sections.append(_Section(title[0], [line]))
            else:
                (sections[-1].lines if sections else head).append(line)
    return head, sections


def _is_plain(section: _Section) -> bool:
    """Whether LAMMPS takes a section as it stands: one empty line, then the rows without a gap."""
    rows = section.rows
    begins_well = len(section.lines) > 1 and not section.lines[1].strip()
    return not section.title.endswith(" Coeffs") and begins_well and section.lines[2 : 2 + len(rows)] == rows


def _text(header: DataHeader, atom_style: str, head: list[str], sections: list[_Section]) -> str:
    units = header.units or "metal"
    first = head[0] if units == "metal" else f"LAMMPS data file, units = metal, made from one of units {units}\n"
    made = [first, *(_box_in_metal(line, units, header.path) for line in head[1:])]
    for section in sections:
        if section.title.endswith(" Coeffs"):
            continue
        scale = _columns_to_scale(section.title, atom_style, units, header.path)
        made += [section.lines[0], "\n"]
        made += [_scaled(row, scale, section.title, header.path) for row in section.rows]
        made.append("\n")
    return "".join(line if line.endswith("\n") else line + "\n" for line in made)


def _box_in_metal(line: str, units: str, path: Path) -> str:
    values = line.partition("#")[0].strip()
    keyword = next((each for each in _BOX if values.endswith(each)), None)
    if keyword is None or units == "metal":
        return line
    places = range(len(values.split()) - len(keyword.split()))
    return _scaled(values + "\n", dict.fromkeys(places, factor("distance", units)), "the box", path)


def _columns_to_scale(section: str, atom_style: str, units: str, path: Path) -> dict[int, float]:
    """Factors of the columns of a section."""
    if units == "metal" or section.endswith(" Type Labels") or section in _TOPOLOGY:
        return {}
    length = factor("distance", units)
    if section == "Masses":
        return {1: factor("mass", units)}
    if section in ("Atoms", "Velocities") and atom_style not in _POSITIONS:
        raise StructureError(
            f"structure.file: {path} is of units {units} and atom_style {atom_style}, whose columns are not converted: "
            f"write it in units metal, or with one of the styles {', '.join(_POSITIONS)}"
        )
    if section == "Velocities":
        return dict.fromkeys((1, 2, 3), factor("velocity", units))
    if section == "Atoms":
        begin = _POSITIONS[atom_style]
        scale = dict.fromkeys(range(begin, begin + 3), length)
        if atom_style in _CHARGE:
            scale[_CHARGE[atom_style]] = factor("charge", units)
        return scale
    raise StructureError(
        f"structure.file: {path} is of units {units} and has a section {section}, which is not converted: leave it "
        "out, or write the file in units metal"
    )


def _scaled(row: str, scale: dict[int, float], section: str, path: Path) -> str:
    if not scale:
        return row
    words = row.partition("#")[0].split()
    comment = row.partition("#")[2].strip()
    try:
        for column, by in scale.items():
            words[column] = repr(float(words[column]) * by)
    except (ValueError, IndexError):
        raise StructureError(
            f"structure.file: {path} has a line in {section} whose column {column + 1} is no number: {row.strip()!r}"
        ) from None
    return " ".join(words) + (f"  # {comment}" if comment else "") + "\n"
