"""Trajectories of any kind, read one frame at a time: LAMMPS dumps, (extended) XYZ, what ASE or MDAnalysis read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import ase.io
from ase.data import chemical_symbols

from lamplighter.errors import StructureError, TrajectoryError
from lamplighter.structures import lammps_data, metal_data
from lamplighter.structures.ase_trajectory import AseTrajectory
from lamplighter.structures.compressed import (
    uncompressed_name,
)
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump, begins_like_a_dump
from lamplighter.structures.mdanalysis_trajectory import MDAnalysisTrajectory
from lamplighter.structures.read_by_ase import stated_format, with_stated_elements
from lamplighter.structures.text_for_ase import as_ase_reads_it
from lamplighter.structures.xyz_file import XyzFile

_NEEDS_TOPOLOGY = {".dcd", ".xtc", ".trr", ".ncdf", ".nc", ".h5md", ".trz", ".tng"}


class Trajectory(Protocol):
    """Frames, and after they were read what was left out of a file that is cut off (empty: nothing)."""

    dropped: str

    def __iter__(self) -> Iterator[Frame]: ...


def open_trajectory(
    path: Path, *, topology: Path | None = None, types: AtomTypes | None = None, units: str | None = None
) -> Trajectory:
    """A trajectory, by its content: a LAMMPS dump, XYZ, with a topology what MDAnalysis reads, else what ASE does.

    Args:
        path: The file; dumps and XYZ files may be gzipped, and cut off.
        topology: A file that MDAnalysis takes as the topology of the trajectory.
        types: Elements and masses of the atom types of a LAMMPS dump or data file.
        units: Unit system of a LAMMPS dump; None: as it says itself, else metal.

    Raises:
        TrajectoryError: there is no such file, it is empty, or its format needs a topology; reading raises it too.
    """
    for each in (path, *([topology] if topology else [])):
        if not each.exists():
            raise TrajectoryError(f"{each} does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise TrajectoryError(f"{path} is empty")
    if topology is not None:
        return MDAnalysisTrajectory(path, topology, types)
    names = types.names if types else {}
    if begins_like_a_dump(path):
        return LammpsDump(path, types, units)
    suffix = Path(uncompressed_name(path)).suffix.lower()
    if suffix in (".xyz", ".extxyz"):
        return XyzFile(path, types)
    if suffix in _NEEDS_TOPOLOGY:
        raise TrajectoryError(f"{path} holds no elements: give --topology FILE, a file of the same atoms that has them")
    return AseTrajectory(path, names)


def read_start(path: Path, types: AtomTypes) -> Frame:
    """A single structure: a LAMMPS data file, or the last frame of what ASE reads.

    Raises:
        TrajectoryError: it cannot be read, or holds no atoms.
    """
    if not path.is_file():
        raise TrajectoryError(f"{path} does not exist")
    try:
        if lammps_data.looks_like_data(path):
            header = lammps_data.read_header(path)
            elements = [types.elements[number] for number in sorted(types.elements)] or None
            symbols = lammps_data.elements_of_types(header, elements)
            numbers = {number: chemical_symbols.index(symbol) for number, symbol in enumerate(symbols, start=1)}
            style = header.atom_style or "atomic"
            text = io.StringIO(metal_data.metal_text(header, style))
            atoms = ase.io.read(text, format="lammps-data", Z_of_type=numbers, atom_style=style, parallel=False)
            if header.masses:
                atoms.set_masses([header.masses[number] for number in atoms.arrays["type"]])
        else:
            with as_ase_reads_it(path, None) as (readable, _):
                told = stated_format(path, readable, None)
                atoms = with_stated_elements(
                    ase.io.read(readable, parallel=False, do_not_split_by_at_sign=True), path, told, types.names
                )
    except StructureError as problem:
        raise TrajectoryError(f"{path} cannot be used: {problem}") from None
    except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
        raise TrajectoryError(f"{path} cannot be read ({type(problem).__name__}: {problem})") from problem
    if len(atoms) == 0:
        raise TrajectoryError(f"{path} holds no atoms")
    return frame_of_atoms(atoms, 0)


def elements_of_data(path: Path) -> dict[int, str]:
    """The elements of the atom types of a LAMMPS data file, by its names and masses.

    Raises:
        StructureError: it cannot be read, or a type is of no known element.
    """
    header = lammps_data.read_header(path)
    return dict(enumerate(lammps_data.elements_of_types(header, None), start=1))


def types_of_data(path: Path) -> AtomTypes:
    """Elements and masses of the atom types that a LAMMPS data file gives.

    Raises:
        StructureError: it cannot be read.
    """
    header = lammps_data.read_header(path)
    return AtomTypes({}, dict(header.masses))
