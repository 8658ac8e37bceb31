"""Trajectories of any kind, read one frame at a time: LAMMPS dumps, (extended) XYZ, what ASE or MDAnalysis read."""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import ase.io
import numpy as np
from ase import Atoms, units
from ase.data import chemical_symbols
from numpy.typing import NDArray

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import DamagedFrame, StructureError, TrajectoryError
from lamplighter.structures import atom_names, lammps_data, last_line, metal_data
from lamplighter.structures.compressed import (
    damage_of,
    fraction_read,
    left_out_from,
    open_as_far_as_it_goes,
    uncompressed_name,
)
from lamplighter.structures.frame import Frame, number_of_mass, standard_masses
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump, begins_like_a_dump
from lamplighter.structures.read_by_ase import read_by_ase, stated_format, with_stated_elements
from lamplighter.structures.repeated_steps import RepeatedSteps, together
from lamplighter.structures.text_for_ase import as_ase_reads_it

_PS = 1e3 * units.fs  # in ASE's unit of time
_EV_PER_KJ_MOL = units.kJ / units.mol
_DATA_COLUMNS = {  # of LAMMPS atom styles, for MDAnalysis
    "atomic": "id type x y z",
    "charge": "id type charge x y z",
    "bond": "id resid type x y z",
    "angle": "id resid type x y z",
    "molecular": "id resid type x y z",
    "full": "id resid type charge x y z",
}
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
        return _MDAnalysisTrajectory(path, topology, types)
    names = types.names if types else {}
    if begins_like_a_dump(path):
        return LammpsDump(path, types, units)
    suffix = Path(uncompressed_name(path)).suffix.lower()
    if suffix in (".xyz", ".extxyz"):
        return XyzFile(path, types)
    if suffix in _NEEDS_TOPOLOGY:
        raise TrajectoryError(f"{path} holds no elements: give --topology FILE, a file of the same atoms that has them")
    return _AseTrajectory(path, names)


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


def frame_of_atoms(atoms: Atoms, index: int) -> Frame:
    """A frame from ASE's atoms; ids from the array `id`, the step from `info["step"]`, the time from `info["time_ps"]`.

    Raises:
        TrajectoryError: two atoms have the same id.
    """
    ids = np.asarray(atoms.arrays.get("id", np.arange(1, len(atoms) + 1)), dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    if len(np.unique(ids)) != len(ids):
        raise TrajectoryError(f"frame {index} has two atoms of the same id")
    numbers = np.asarray(atoms.numbers, dtype=np.int64)[order]
    results = getattr(atoms.calc, "results", {})
    forces, energy = results.get("forces"), results.get("energy", results.get("free_energy"))
    step = atoms.info.get("step", atoms.info.get("timestep"))
    time = atoms.info.get("time_ps")
    masses = (
        np.asarray(atoms.get_masses(), dtype=np.float64)[order] if atoms.has("masses") else standard_masses(numbers)
    )
    return Frame(
        index=index,
        step=None if step is None else int(step),
        time_ps=None if time is None else float(time),
        ids=ids[order],
        numbers=numbers,
        positions=atoms.positions[order],
        cell=np.asarray(atoms.cell.array),
        periodic=np.asarray(atoms.pbc),
        masses=masses,
        velocities=atoms.get_velocities()[order] * _PS if atoms.has("momenta") else None,
        forces=None if forces is None else np.asarray(forces, dtype=np.float64)[order],
        potential_energy=None if energy is None else float(energy),
    )


class XyzFile:
    """The frames of an XYZ or extended XYZ file, plain or gzipped; one that is cut off is read as far as it goes."""

    def __init__(self, path: Path, types: AtomTypes | None = None) -> None:
        self.path = path
        self.dropped = ""
        self._types = types or AtomTypes({}, {})
        self._file: io.BufferedReader | None = None

    @property
    def fraction_read(self) -> float:
        """As `LammpsDump.fraction_read`."""
        return fraction_read(self._file)

    def __iter__(self) -> Iterator[Frame]:
        """Raises TrajectoryError: the file cannot be opened, or its very first frame is damaged."""
        repeated, index = RepeatedSteps(self.path), 0
        for atoms in self.atoms():
            frame = frame_of_atoms(atoms, index)
            if not repeated.is_repeated(frame):
                yield frame
                index += 1
        self.dropped = together(self.dropped, repeated.note)

    def atoms(self) -> Iterator[Atoms]:
        """The frames with all that the file says of them. Raises as iteration over frames."""
        self.dropped = ""
        with open_as_far_as_it_goes(self.path) as file:
            self._file = file
            index = 0
            while head := file.readline():
                if not head.strip():
                    continue
                try:
                    atoms = self._next(head, file, index)
                except DamagedFrame as problem:
                    if index == 0:
                        raise
                    self.dropped = left_out_from(index, problem)
                    break
                if atoms is None:
                    self.dropped = f"frame {index}, which is cut off, was left out"
                    break
                yield atoms
                index += 1
            if damage := damage_of(file):
                self.dropped = f"{damage}; {self.dropped or 'what follows was left out'}"

    def _next(self, head: bytes, file: io.BufferedReader, index: int) -> Atoms | None:
        """The frame whose first line is given; None: the file ends in the middle of it."""
        if not head.strip().isdigit():
            text = head.decode("utf-8", errors="replace").strip()
            raise DamagedFrame(
                f"{self.path}, frame {index} is damaged: expected its number of atoms, got {text[:60]!r}"
            )
        lines = [head, *(file.readline() for _ in range(int(head) + 1))]
        if not lines[-1].endswith(b"\n"):
            if damage_of(file) or int(head) == 0 or not last_line.is_whole(lines[-1], lines[2:-1]):
                return None
            self.dropped = last_line.NOTE
        rows = self._with_symbols([line.decode("utf-8", errors="replace") for line in lines], index)
        return self._atoms("".join(rows), index)

    def _with_symbols(self, lines: list[str], index: int) -> list[str]:
        """The lines of a frame with symbols in place of what else stands there.

        Raises:
            TrajectoryError: it is not known which elements are meant.
        """
        columns = re.search(r"Properties=\"?(\S+)", lines[1])
        if columns and not columns.group(1).lower().startswith("species"):
            return lines
        words = [line.split(maxsplit=1)[0] if line.strip() else "" for line in lines[2:]]
        strange = {word for word in words if word not in chemical_symbols[1:]}
        if not strange or "" in strange:
            return lines
        symbols = {word: self._symbol(word) for word in strange}
        unknown = Counter(word for word in words if word in strange and symbols[word] is None)
        if unknown:
            numbered = all(word.isdigit() for word in unknown)
            raise TrajectoryError(
                f"{self.path}, frame {index} has {'numbers' if numbered else 'names'} in place of symbols: "
                f"{atom_names.in_words(unknown)}; "
                + (
                    'give the elements of these atom types in order, such as --elements "H O"'
                    if numbered
                    else atom_names.remedy(unknown)
                )
            )
        kept = []
        for word, line in zip(words, lines[2:], strict=True):
            symbol = symbols.get(word, word)
            if symbol != atom_names.LEFT_OUT:
                kept.append(line.replace(word, str(symbol), 1))
        return [f"{len(kept)}\n", lines[1], *kept]

    def _symbol(self, word: str) -> str | None:
        if word.isdigit():
            return self._types.elements.get(int(word))
        if word in self._types.names:
            return self._types.names[word]
        return None if word.capitalize() in chemical_symbols else atom_names.element_of_name(word)

    def _atoms(self, text: str, index: int) -> Atoms:
        try:
            return ase.io.read(io.StringIO(text), format="extxyz", parallel=False)
        except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
            raise DamagedFrame(
                f"{self.path}, frame {index} is damaged ({type(problem).__name__}: {problem})"
            ) from problem


class _AseTrajectory:
    """Whatever else ASE reads."""

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self.path = path
        self.dropped = ""
        self._names = names

    def __iter__(self) -> Iterator[Frame]:
        self.dropped = ""
        index = 0
        frames = read_by_ase(self.path, self._names)
        while True:
            try:
                atoms = next(frames)
            except StopIteration:
                return
            except StructureError as problem:
                raise TrajectoryError(str(problem)) from None
            except Exception as problem:  # ASE's readers raise whatever their parsing stumbles over
                if index:
                    self.dropped = left_out_from(index, problem)
                    return
                raise TrajectoryError(
                    f"ASE cannot read {self.path} ({type(problem).__name__}: {problem}); for a format that MDAnalysis "
                    "reads give --topology FILE"
                ) from problem
            yield frame_of_atoms(atoms, index)
            index += 1


class _MDAnalysisTrajectory:
    """What MDAnalysis reads with a topology: DCD, XTC, TRR, NetCDF and others."""

    def __init__(self, path: Path, topology: Path, types: AtomTypes | None) -> None:
        self.path = path
        self.topology = topology
        self.dropped = ""
        self._elements = dict(types.elements) if types else {}
        self._names = dict(types.names) if types else {}

    def __iter__(self) -> Iterator[Frame]:
        """Raises TrajectoryError: MDAnalysis is missing, or cannot read the files; the elements are not known."""
        self.dropped = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            universe = self._universe()
            ids, numbers, masses = self._atoms(universe)
            order = np.argsort(ids, kind="stable")
            order = order[numbers[order] != atom_names.LEAVE_OUT]
            frames = iter(universe.trajectory)
            index = 0
            while True:
                try:
                    given = next(frames)
                except StopIteration:
                    return
                except Exception as problem:  # its readers raise whatever they stumble over
                    if index:
                        self.dropped = left_out_from(index, problem)
                        return
                    raise TrajectoryError(
                        f"MDAnalysis cannot read frame {index} of {self.path} ({type(problem).__name__}: {problem})"
                    ) from problem
                frame = _frame_of_timestep(given, index, ids[order], numbers[order], masses, order)
                # programs disagree about the unit of time in a DCD header, and about its first step
                yield replace(frame, step=None, time_ps=None) if universe.trajectory.format == "DCD" else frame
                index += 1

    def _universe(self) -> Any:
        try:
            import MDAnalysis
        except ImportError:
            raise TrajectoryError("--topology needs MDAnalysis: pip install MDAnalysis") from None
        options, header = {}, None
        if lammps_data.looks_like_data(self.topology):
            header = lammps_data.read_header(self.topology)
            columns = _DATA_COLUMNS.get(header.atom_style or "atomic")
            options = {"topology_format": "DATA", "atom_style": columns} if columns else {"topology_format": "DATA"}
            if not self._elements:
                self._elements = dict(enumerate(lammps_data.elements_of_types(header, None), start=1))
        try:
            with tempfile.TemporaryDirectory() as folder:
                topology = self.topology
                if header is not None:  # MDAnalysis wants UTF-8, and masses in g/mol
                    topology = Path(folder) / "topology.data"
                    topology.write_text(metal_data.metal_text(header, header.atom_style or "atomic"), encoding="utf-8")
                # nothing is guessed: neither elements from names nor masses from elements
                return MDAnalysis.Universe(str(topology), str(self.path), to_guess=(), **options)
        except Exception as problem:
            raise TrajectoryError(
                f"MDAnalysis cannot read {self.path} with the topology {self.topology} "
                f"({type(problem).__name__}: {problem})"
            ) from problem

    def _atoms(self, universe: Any) -> tuple[Integers, Integers, Floats | None]:
        """Ids, atomic numbers and masses, in the order of the file."""
        atoms = universe.atoms
        ids = np.asarray(atoms.ids if hasattr(atoms, "ids") else np.arange(1, len(atoms) + 1), dtype=np.int64)
        masses = np.asarray(atoms.masses, dtype=np.float64) if hasattr(atoms, "masses") else None
        words = [str(word) for word in getattr(atoms, "types", [])]
        names = [str(name) for name in getattr(atoms, "names", words)]
        if self._elements:
            numbers = np.array(
                [atom_names.number_of_symbol(self._elements.get(int(w) if w.isdigit() else 0, "")) for w in words]
            )
        else:
            stated = [str(symbol).capitalize() for symbol in getattr(atoms, "elements", [])] or [""] * len(atoms)
            numbers = np.array([atom_names.number_of_symbol(symbol) for symbol in stated])
            for name, symbol in self._names.items():  # what the user says counts more
                numbers[[name in pair for pair in zip(names, words or names, strict=True)]] = (
                    atom_names.number_of_symbol(symbol)
                )
            lacking = np.flatnonzero(numbers == 0)
            if len(lacking) and masses is not None:
                numbers[lacking] = [number_of_mass(masses[place]) for place in lacking]
            elif len(lacking) and names:
                residues = [str(name) for name in getattr(atoms, "resnames", [])] or [""] * len(atoms)
                told = [names[place] for place in lacking], [residues[place] for place in lacking]
                numbers[lacking] = atom_names.numbers_of_names(*told, {})
        unknown = Counter((names or words)[place] for place in np.flatnonzero(numbers == 0)) if names or words else None
        if unknown is None or not len(numbers):
            raise TrajectoryError(f"{self.topology} names no elements, and no atoms either; give a topology that does")
        if unknown:
            numbered = all(word.isdigit() for word in unknown)
            raise TrajectoryError(
                f"{self.topology} tells no element of these atoms: {atom_names.in_words(unknown)}; "
                + (
                    "give --elements, one for each of its numbered atom types"
                    if numbered
                    else atom_names.remedy(unknown)
                )
            )
        standard = standard_masses(np.maximum(numbers, 1).astype(np.int64))
        if masses is None or standard is None:
            return ids, numbers.astype(np.int64), standard
        return ids, numbers.astype(np.int64), np.where(masses > 0.0, masses, standard)


def _frame_of_timestep(
    given: Any, index: int, ids: Integers, numbers: Integers, masses: Floats | None, order: NDArray[np.intp]
) -> Frame:
    """A frame from MDAnalysis' units: Å, Å/ps, kJ/(mol Å), ps."""
    cell = given.triclinic_dimensions
    forces = np.asarray(given.forces, dtype=np.float64)[order] * _EV_PER_KJ_MOL if given.has_forces else None
    step = given.data.get("step")
    return Frame(
        index=index,
        step=None if step is None else int(step),
        time_ps=_time_of(given),
        ids=ids,
        numbers=numbers,
        positions=np.asarray(given.positions, dtype=np.float64)[order],
        cell=np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64),
        periodic=np.full(3, cell is not None),
        masses=None if masses is None else masses[order],
        velocities=np.asarray(given.velocities, dtype=np.float64)[order] if given.has_velocities else None,
        forces=forces,
    )


def _time_of(given: Any) -> float | None:
    """The time (ps) where the file knows it; MDAnalysis takes 1 ps between frames where it does not, with a warning."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        time = float(given.time)
    return None if any("1.0 ps" in str(each.message) for each in said) else time
