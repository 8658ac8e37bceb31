"""The molecules of a run in a file that LAMMPS reads, too: which atom belongs to which.

A line for each atom (`ID FIRST`, FIRST the ID of the first atom of its molecule), as LAMMPS' variables of style
`atomfile` want it, and before them a comment for each molecule (`# molecule FIRST FORMULA MASS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import StructureError

_MARK = "# molecule "


@dataclass(frozen=True)
class MoleculeFile:
    """What such a file holds.

    Attributes:
        atoms: IDs of all atoms, ascending, shape (n_atoms,).
        first_of_atom: ID of the first atom of each one's molecule, shape (n_atoms,).
        first_atoms: Those of the molecules, ascending, shape (n,).
        formulas: Of the molecules, n of them.
        masses: g/mol, shape (n,).
    """

    atoms: Integers
    first_of_atom: Integers
    first_atoms: Integers
    formulas: list[str]
    masses: Floats

    def write(self, path: Path) -> None:
        """Write it.

        Raises:
            OSError: the file cannot be written.
        """
        lines = ["# Molecules of the start structure, and below for each atom the first atom of its molecule."]
        for atom, formula, mass in zip(self.first_atoms, self.formulas, self.masses, strict=True):
            lines.append(f"{_MARK}{atom} {formula} {mass:.10g}")
        lines.append(str(len(self.atoms)))
        lines += [f"{atom} {first}" for atom, first in zip(self.atoms, self.first_of_atom, strict=True)]
        path.write_text("\n".join(lines) + "\n", encoding="ascii")


def read_molecule_file(path: Path) -> MoleculeFile:
    """Read it back.

    Raises:
        StructureError: it cannot be read, or is something else.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        marked = [line.removeprefix(_MARK).split() for line in lines if line.startswith(_MARK)]
        rest = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        rows = np.array(rest[1:], dtype=np.int64).reshape(-1, 2)
        made = MoleculeFile(
            atoms=rows[:, 0],
            first_of_atom=rows[:, 1],
            first_atoms=np.array([int(words[0]) for words in marked], dtype=np.int64),
            formulas=[words[1] for words in marked],
            masses=np.array([float(words[2]) for words in marked]),
        )
        if len(rows) != int(rest[0][0]) or not np.array_equal(np.unique(made.first_of_atom), made.first_atoms):
            raise ValueError("its numbers do not agree")
    except (OSError, ValueError, IndexError) as problem:
        raise StructureError(f"{path} is no file of molecules of Lamplighter: {problem}") from None
    return made
