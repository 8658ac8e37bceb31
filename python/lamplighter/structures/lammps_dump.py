"""LAMMPS text dumps, one frame after the other, plain or gzipped, also those of a killed run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import DamagedFrame, TrajectoryError
from lamplighter.structures import last_line
from lamplighter.structures.atom_names import LEAVE_OUT, number_of_symbol
from lamplighter.structures.compressed import damage_of, fraction_read, left_out_from, open_as_far_as_it_goes
from lamplighter.structures.frame import Frame, number_of_mass, standard_masses
from lamplighter.structures.last_line import NOTE as LAST_LINE
from lamplighter.structures.repeated_steps import RepeatedSteps, together
from lamplighter.structures.unit_styles import factor

_POSITIONS = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))  # what counts first
_SCALED = {("xs", "ys", "zs"), ("xsu", "ysu", "zsu")}
_UNWRAPPED = {("xu", "yu", "zu"), ("xsu", "ysu", "zsu")}
_STATIC = ("id", "type", "element", "mass")
_IMAGES = ("ix", "iy", "iz")
_VELOCITIES = ("vx", "vy", "vz")
_FORCES = ("fx", "fy", "fz")
_NUMBER_OF = {symbol: number for number, symbol in enumerate(chemical_symbols) if number}


@dataclass(frozen=True)
class AtomTypes:
    """What the user or a data file says of the atom types, by type; empty where it is left to the dump.

    `elements` are symbols, or `NULL` for atoms that are left out; where they are given they count more than the dump's
    own column. `masses` in g/mol. `names` are the same symbols for files that name atoms instead of numbering types.
    """

    elements: Mapping[int, str]
    masses: Mapping[int, float]
    names: Mapping[str, str] = field(default_factory=dict)


def begins_like_a_dump(path: Path) -> bool:
    """Whether a file, plain or compressed, is a LAMMPS text dump, by its first line; its name does not matter."""
    if not path.is_file():
        return False
    with open_as_far_as_it_goes(path) as file:
        return file.read(6) == b"ITEM: "


class _CutOff(Exception):
    """The file ends in the middle of a frame."""


class LammpsDump:
    """The frames of a LAMMPS text dump, read one at a time.

    Lengths, velocities, forces and times are converted from the unit system of the dump: the one given, else that of
    its `ITEM: UNITS` header, else metal.

    Attributes:
        dropped: What was left out of a file that is cut off or damaged, from there to its end; empty where nothing was.
    """

    def __init__(self, path: Path, types: AtomTypes | None = None, units: str | None = None) -> None:
        self.path = path
        self.dropped = ""
        self._types = types or AtomTypes({}, {})
        self._given_units = units
        self._same = _SameAtoms([], {})
        self._file: io.BufferedReader | None = None

    @property
    def fraction_read(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return fraction_read(self._file)

    def __iter__(self) -> Iterator[Frame]:
        """Raises TrajectoryError: the file cannot be opened, is no dump, or its very first frame is damaged."""
        self.dropped = ""
        repeated = RepeatedSteps(self.path)
        n_skipped, ending = 0, ""
        with open_as_far_as_it_goes(self.path) as file:
            self._file = file
            units = self._given_units or "metal"
            index = 0
            while True:
                header = _Header(units=units)
                try:
                    if not header.read(file, self._where(index)):
                        break
                    units = self._given_units or header.units
                    header.units = units
                    rows, whole = _rows(file, header, self._where(index, header.step))
                    if not whole and damage_of(file):
                        raise _CutOff
                    ending = "" if whole else LAST_LINE
                    frame = self._frame(index, header, rows)
                except _CutOff:
                    step = f" (step {header.step})" if header.step is not None else ""
                    self.dropped = f"frame {index}{step}, which is cut off, was left out"
                    break
                except DamagedFrame as problem:
                    if index == 0:
                        raise
                    self.dropped = left_out_from(index, problem)
                    break
                index += 1
                if repeated.is_repeated(frame):
                    n_skipped += 1
                    continue
                yield frame if not n_skipped else replace(frame, index=frame.index - n_skipped)
            if damage := damage_of(file):
                self.dropped = f"{damage}; {self.dropped or 'what follows was left out'}"
            self.dropped = together(self.dropped, ending, repeated.note)

    def _where(self, index: int, step: int | None = None) -> str:
        return f"{self.path}, frame {index}" + (f" (step {step})" if step is not None else "")

    def _frame(self, index: int, header: _Header, rows: _Rows) -> Frame:
        where = self._where(index, header.step)
        if "id" not in rows.columns:
            raise TrajectoryError(f"{where} has no column id; dump it with `id` (columns: {' '.join(rows.columns)})")
        same = self._atoms(rows, where)

        def numbers_in(names: Sequence[str], quantity: str = "") -> Floats | None:
            if not all(name in rows.columns for name in names):
                return None
            try:
                values = np.array([list(map(float, rows.words(name))) for name in names]).T
            except ValueError as problem:
                raise DamagedFrame(f"{where} is damaged: {problem}") from None
            values = np.ascontiguousarray(values if same.order is None else values[same.order])
            return values * factor(quantity, header.units) if quantity else values

        scale = factor("distance", header.units)
        written = next((names for names in _POSITIONS if all(name in rows.columns for name in names)), None)
        if written is None:
            raise TrajectoryError(f"{where} has no positions (x y z, xu yu zu, xs ys zs or xsu ysu zsu)")
        positions = numbers_in(written)
        assert positions is not None
        positions = scale * (header.origin + positions @ header.cell if written in _SCALED else positions)
        unwrapped = written in _UNWRAPPED
        images = None if unwrapped else numbers_in(_IMAGES)
        return Frame(
            index=index,
            step=header.step,
            time_ps=None if header.time is None else header.time * factor("time", header.units),
            ids=same.ids,
            numbers=same.numbers,
            positions=positions,
            cell=scale * header.cell,
            periodic=header.periodic,
            masses=None
            if same.masses is None
            else same.masses * factor("mass", header.units)
            if "mass" in rows.columns
            else same.masses,
            velocities=numbers_in(_VELOCITIES, "velocity"),
            forces=numbers_in(_FORCES, "force"),
            images=None if images is None else images.astype(np.int64),
            unwrapped=unwrapped,
        )

    def _atoms(self, rows: _Rows, where: str) -> _SameAtoms:
        """What the columns that do not change from frame to frame say; worked out anew where they did change."""
        words = [rows.words(name) for name in _STATIC if name in rows.columns]
        if words == self._same.words and rows.columns == self._same.columns:
            return self._same
        try:
            ids = np.array(list(map(int, rows.words("id"))), dtype=np.int64)
        except ValueError as problem:
            raise DamagedFrame(f"{where} is damaged: {problem}") from None
        in_order = bool((np.diff(ids) > 0).all())
        order = None if in_order else np.argsort(ids, kind="stable")
        if order is not None:
            ids = ids[order]
            repeated = np.flatnonzero(np.diff(ids) == 0)
            if len(repeated):
                raise DamagedFrame(f"{where} is damaged: it has atom {ids[repeated[0]]} twice")
        numbers = self._numbers(rows, where)
        masses = self._masses(rows, numbers, where)
        if (numbers == LEAVE_OUT).any():
            order = np.arange(len(numbers)) if order is None else order
            ids, order = ids[numbers[order] != LEAVE_OUT], order[numbers[order] != LEAVE_OUT]
        if order is not None:
            numbers, masses = numbers[order], None if masses is None else masses[order]
        for array in (ids, numbers, masses):
            if array is not None:
                array.setflags(write=False)  # frames share them
        self._same = _SameAtoms(words, rows.columns, ids, order, numbers, masses)
        return self._same

    def _numbers(self, rows: _Rows, where: str) -> Integers:
        """Atomic numbers: by the given elements of the types, the column element, or the masses; else 0."""
        given, columns = self._types.elements, rows.columns
        if given and "type" in columns:
            return _each(rows.words("type"), lambda name: _number_of_type(name, given, where))
        if "element" in columns:
            self._refuse_default_element(rows, where)
            return _each(rows.words("element"), lambda name: _number_of_symbol(name, where))
        if "mass" in columns:
            return _each(rows.words("mass"), lambda mass: number_of_mass(float(mass)))
        if self._types.masses and "type" in columns:
            masses = self._types.masses
            return _each(rows.words("type"), lambda name: number_of_mass(masses.get(int(name), -1.0)))
        return np.zeros(rows.n_atoms, dtype=np.int64)

    def _refuse_default_element(self, rows: _Rows, where: str) -> None:
        """LAMMPS writes C for every type (https://docs.lammps.org/dump_modify.html) where nothing else was said."""
        if "type" not in rows.columns or set(rows.words("element")) != {b"C"}:
            return
        kinds = set(rows.words("type"))
        known = [number_of_mass(self._types.masses.get(int(kind), 0.0)) for kind in kinds if kind.isdigit()]
        if len(kinds) > 1 and set(known) != {6} and "mass" not in rows.columns:
            raise TrajectoryError(
                f"{where} has {len(kinds)} atom types and the element C for all, which LAMMPS writes where dump_modify "
                "element was not given: give --elements, one for each type (C for all, if they are)"
            )

    def _masses(self, rows: _Rows, numbers: Integers, where: str) -> Floats | None:
        """In the dump's own unit where it has them."""
        if "mass" in rows.columns:
            try:
                return np.array(list(map(float, rows.words("mass"))))
            except ValueError as problem:
                raise DamagedFrame(f"{where} is damaged: {problem}") from None
        if self._types.masses and "type" in rows.columns:
            masses, types = self._types.masses, [int(name) for name in rows.words("type")]
            if all(number in masses for number in set(types)):
                return np.array([masses[number] for number in types], dtype=np.float64)
        return standard_masses(np.where(numbers == LEAVE_OUT, 1, numbers))


@dataclass(frozen=True)
class _SameAtoms:
    """What is worked out once for frames whose columns `_STATIC` have the same words.

    Attributes:
        words, columns: Of the frame that it was worked out from.
        order: That sorts the rows by id; None: they are in order.
    """

    words: list[list[bytes]]
    columns: Mapping[str, int]
    ids: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    order: NDArray[np.intp] | None = None
    numbers: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    masses: Floats | None = None


class _Rows:
    """The words of the atoms of a frame, by column."""

    def __init__(self, words: list[bytes], columns: Mapping[str, int]) -> None:
        self._words = words
        self.columns = columns
        self.n_atoms = len(words) // len(columns) if columns else 0

    def words(self, name: str) -> list[bytes]:
        """One column, an entry for each atom."""
        return self._words[self.columns[name] :: len(self.columns)]


class _Header:
    """What stands in a frame before its atoms; lengths and time in the dump's own units."""

    def __init__(self, units: str) -> None:
        self.units = units
        self.step: int | None = None
        self.time: float | None = None
        self.n_atoms: int | None = None
        self.cell: Floats = np.zeros((3, 3))
        self.origin: Floats = np.zeros(3)
        self.periodic: NDArray[np.bool_] = np.zeros(3, dtype=bool)
        self.columns: list[str] = []

    def read(self, file: io.BufferedReader, where: str) -> bool:
        """Read up to the atoms; False: the file has ended before this frame.

        Raises:
            _CutOff: the file ends in the middle of it.
            TrajectoryError: it is no header.
        """
        began = False
        while True:
            line = file.readline()
            if not line.strip() and not began:
                if not line:
                    return False
                continue
            began = True
            key = _whole(line)
            if not key.startswith("ITEM: "):
                raise DamagedFrame(f"{where} is damaged: expected a line 'ITEM: …', got {key[:60]!r}")
            try:
                if self._take(key.removeprefix("ITEM: "), file):
                    break
            except (ValueError, IndexError):
                raise DamagedFrame(f"{where} is damaged: what follows {key!r} cannot be understood") from None
        if self.n_atoms is None or self.step is None:
            raise DamagedFrame(f"{where} is damaged: it lacks its step or its number of atoms")
        return True

    def _take(self, key: str, file: io.BufferedReader) -> bool:
        if key == "TIMESTEP":
            self.step = int(_line(file))
        elif key == "TIME":
            self.time = float(_line(file))
        elif key == "UNITS":
            self.units = _line(file).strip()
        elif key == "NUMBER OF ATOMS":
            self.n_atoms = int(_line(file))
        elif key.startswith("BOX BOUNDS"):
            rows = [[float(word) for word in _line(file).split()] for _ in range(3)]
            self._set_box(key.split()[2:], np.array(rows))
        elif key.startswith("ATOMS"):
            self.columns = key.split()[1:]
            return True
        else:
            _line(file)  # an item of a later LAMMPS
        return False

    def _set_box(self, words: list[str], rows: Floats) -> None:
        """Box bounds as https://docs.lammps.org/Howto_triclinic.html defines them."""
        signs = words[-3:]
        self.periodic = np.array([sign.startswith("p") for sign in signs]) if len(signs) == 3 else self.periodic
        if words[:1] == ["abc"]:  # general triclinic: vectors and origin
            self.cell, self.origin = rows[:, :3], rows[:, 3]
            return
        low, high = rows[:, 0].copy(), rows[:, 1].copy()
        xy, xz, yz = rows[:, 2] if rows.shape[1] > 2 else (0.0, 0.0, 0.0)
        low -= [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
        high -= [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
        lx, ly, lz = high - low
        self.cell, self.origin = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]), low


def _rows(file: io.BufferedReader, header: _Header, where: str) -> tuple[_Rows, bool]:
    """The atoms of a frame, and whether its last line has its end."""
    n, width = header.n_atoms or 0, len(header.columns)
    lines = list(islice(file, n))
    whole = not lines or lines[-1].endswith(b"\n")
    if len(lines) < n or not (whole or last_line.is_whole(lines[-1], lines[:-1])):
        raise _CutOff
    words = b"".join(lines).split()
    if len(words) != n * width:
        raise DamagedFrame(
            f"{where} is damaged: {n} atoms with {width} columns are {n * width} words, and {len(words)} are there"
        )
    return _Rows(words, {name: place for place, name in enumerate(header.columns)}), whole


def _line(file: io.BufferedReader) -> str:
    return _whole(file.readline())


def _whole(line: bytes) -> str:
    if not line.endswith(b"\n"):
        raise _CutOff
    return line.decode("ascii", errors="replace").rstrip("\r\n")


def _each(words: Sequence[bytes], number: Callable[[str], int]) -> Integers:
    """A number for each word, found once for each different word."""
    found = {word: number(word.decode("ascii", errors="replace")) for word in dict.fromkeys(words)}
    return np.array([found[word] for word in words], dtype=np.int64)


def _number_of_type(name: str, elements: Mapping[int, str], where: str) -> int:
    if not name.isdigit() or int(name) not in elements:
        raise TrajectoryError(
            f"{where} has atoms of type {name}, and {len(elements)} elements are given "
            f"({' '.join(elements.values())}); give one for each atom type, in order"
        )
    return number_of_symbol(elements[int(name)])


def _number_of_symbol(name: str, where: str) -> int:
    if name not in _NUMBER_OF:
        raise TrajectoryError(
            f"{where}: {name!r} is not a chemical element; give --elements, one for each atom type, and NULL for "
            "virtual sites, which are left out"
        )
    return _NUMBER_OF[name]
