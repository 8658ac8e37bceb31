"""Frames by ASE's readers, of files that state the elements of their atoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import ase.io
from ase import Atoms

from lamplighter.errors import StructureError
from lamplighter.structures import atom_names
from lamplighter.structures.text_for_ase import as_ase_reads_it

_TYPES_FOR_ELEMENTS = {
    "lammps-dump-binary": "holds the numbers of atom types: write a text dump (or extended XYZ)",
    "lammps-dump-text": "holds the numbers of atom types: give the file without a format, and the elements",
    "gromos": "holds names of atoms: convert it to extended XYZ or PDB with elements",
    "dlp4": "holds names of atoms: convert it to extended XYZ",
    "dlp-history": "holds names of atoms: convert it to extended XYZ",
    "cp2k-dcd": "holds no elements: give --topology FILE",
}
"""ASE's formats that state no elements, for which its readers take numbers or letters that mean something else."""


def read_by_ase(path: Path, names: Mapping[str, str] | None = None) -> Iterator[Atoms]:
    """All frames of a file.

    Args:
        path: The file, plain or compressed.
        names: Elements of atoms by name, for formats that have no more (GROMACS' gro); `NULL` leaves atoms out.

    Raises:
        StructureError: its format states no elements. Anything else: ASE cannot read it.
    """
    with as_ase_reads_it(path, None) as (readable, _):
        file_format = stated_format(path, readable, None)
        for atoms in ase.io.iread(readable, index=":", parallel=False, do_not_split_by_at_sign=True):
            yield with_stated_elements(atoms, path, file_format, names or {})


def stated_format(path: Path, readable: Path, file_format: str | None) -> str:
    """ASE's name of the format of a file; empty where ASE cannot tell.

    Args:
        path: As the user named it, for the message.
        readable: What ASE is to read.
        file_format: That was asked for; None: ASE tells.

    Raises:
        StructureError: the format states no elements, and ASE would take for them what is none.
    """
    if file_format is None:
        try:
            file_format = str(ase.io.formats.filetype(str(readable)))
        except Exception:  # whatever it stumbles over, it will say when it reads
            return ""
    if file_format in _TYPES_FOR_ELEMENTS:
        raise StructureError(f"{path} (format {file_format}) {_TYPES_FOR_ELEMENTS[file_format]}")
    return file_format


def with_stated_elements(atoms: Atoms, path: Path, file_format: str, names: Mapping[str, str]) -> Atoms:
    """The same atoms, their elements told by names where a file has only those, as GROMACS' gro has.

    Raises:
        StructureError: a name tells no element beyond doubt, and is not given.
    """
    if file_format != "gromacs":
        return atoms
    told, residues = ([str(each) for each in atoms.arrays[key]] for key in ("atomtypes", "residuenames"))
    numbers = atom_names.numbers_of_names(told, residues, names)
    unknown = Counter(name for name, number in zip(told, numbers, strict=True) if not number)
    if unknown:
        raise StructureError(
            f"{path} names atoms and no elements, and these names tell none beyond doubt: "
            f"{atom_names.in_words(unknown)}; {atom_names.remedy(unknown)}"
        )
    kept = numbers != atom_names.LEAVE_OUT
    atoms = atoms[kept]
    atoms.numbers = numbers[kept]
    return atoms
