"""XYZ and extended XYZ files, one frame at a time."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import ase.io
from ase import Atoms
from ase.data import chemical_symbols

from lamplighter.errors import DamagedFrame, TrajectoryError
from lamplighter.structures import atom_names, last_line
from lamplighter.structures.compressed import damage_of, fraction_read, left_out_from, open_as_far_as_it_goes
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.repeated_steps import RepeatedSteps, together


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
        for frame, _ in self.with_atoms():
            yield frame

    def with_atoms(self) -> Iterator[tuple[Frame, Atoms]]:
        """The frames beside all that the file says of them, in its order of atoms. Raises as iteration over frames."""
        repeated, index = RepeatedSteps(self.path), 0
        for atoms in self.atoms():
            frame = frame_of_atoms(atoms, index)
            if not repeated.is_repeated(frame):
                yield frame, atoms
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
