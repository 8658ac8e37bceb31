"""The charges of the atoms in a LAMMPS data file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.errors import StructureError
from lamplighter.structures.lammps_data import open_text, section_title

# https://docs.lammps.org/read_data.html
_COLUMN = {"charge": 2, "full": 3}


def charges_of_data(path: Path) -> Floats | None:
    """Charges of all atoms in the order of their IDs, in units of e, shape (n_atoms,); None: its atoms have none.

    Args:
        path: A data file whose Atoms section names its style, as LAMMPS writes it; of units metal or real.

    Raises:
        StructureError: it cannot be read.
    """
    found: list[tuple[int, float]] = []
    column: int | None = None
    inside = False
    try:
        with open_text(path) as lines:
            next(lines, None)
            for line in lines:
                title = section_title(line)
                if title is not None:
                    inside = title[0] == "Atoms"
                    if inside:
                        column = _COLUMN.get(title[1] or "")
                        if column is None:
                            return None
                elif inside and column is not None and (words := line.split("#")[0].split()):
                    found.append((int(words[0]), float(words[column])))
    except (OSError, ValueError, IndexError) as problem:
        raise StructureError(f"the charges of atoms in {path} cannot be read: {problem}") from None
    return np.array([charge for _, charge in sorted(found)]) if found else None
