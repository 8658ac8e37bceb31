"""Text files as ASE's readers want them: in UTF-8, and PDB files without cells that stand for none."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ase.data import chemical_symbols

from lamplighter.errors import StructureError
from lamplighter.structures.atom_names import element_of_name, in_words
from lamplighter.structures.compressed import is_compressed, open_whole, uncompressed_name

_PDB_SUFFIXES = (".pdb", ".ent")
_HEAD = 4096  # bytes
_PDB_FORMAT = "proteindatabank"


@contextmanager
def as_ase_reads_it(path: Path, file_format: str | None) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The path of a file, or of a copy for ASE, while the context lasts, and what is said of it.

    Text that is not UTF-8 is taken for Latin-1, in which every byte is a character. A PDB file's `CRYST1` of edges 1 Å
    (what the format asks for where there is no crystal) or 0 stands for no cell.

    Raises:
        StructureError: a PDB file has atoms whose names and elements contradict each other.
        OSError: the file cannot be read.
    """
    is_pdb = file_format == _PDB_FORMAT or (
        file_format is None and uncompressed_name(path).lower().endswith(_PDB_SUFFIXES)
    )
    notes: tuple[str, ...] = ()
    with open_whole(path) as file:
        content = file.read(_HEAD)
        if b"\0" not in content:
            content += file.read()
    if b"\0" in content:  # of a binary format
        yield path, notes
        return
    text: str | None = None
    try:
        decoded = content.decode("utf-8")
    except UnicodeDecodeError:
        text = decoded = content.decode("latin-1")
    if is_compressed(path):  # ASE knows fewer ways, by their suffixes
        text = decoded
    if is_pdb:
        _refuse_names_of_other_elements(decoded, path)
        told = _with_elements(decoded, path)
        if told != decoded:
            text = decoded = told
        kept = [line for line in decoded.splitlines(keepends=True) if not _is_placeholder(line)]
        if len(kept) < len(decoded.splitlines()):
            text = "".join(kept)
            notes = (f"the CRYST1 record of {path} is a placeholder (edges of 0 or 1 Å): the structure has no cell",)
    if text is None:
        yield path, notes
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / uncompressed_name(path)
        copy.write_text(text, encoding="utf-8", newline="")
        yield copy, notes


def _is_placeholder(line: str) -> bool:
    """Columns 7 to 33 are the edges (https://www.wwpdb.org/documentation/file-format)."""
    if not line.startswith("CRYST1"):
        return False
    try:
        edges = [float(line[begin : begin + 9]) for begin in (6, 15, 24)]
    except ValueError:
        return False
    return edges == [1.0, 1.0, 1.0] or 0.0 in edges


def _with_elements(text: str, path: Path) -> str:
    """The same text with elements in columns 77 and 78 where there were none.

    The element stands in columns 13 and 14, flush right (https://www.wwpdb.org/documentation/file-format): ` CA ` is a
    carbon, `CA  ` calcium.

    Raises:
        StructureError: a name tells no element beyond doubt.
    """
    lines = text.splitlines(keepends=True)
    unknown: Counter[str] = Counter()
    for place, line in enumerate(lines):
        if not line.startswith(("ATOM  ", "HETATM")) or line[76:78].strip():
            continue
        element = _element_of_pdb_name(line[12:16].ljust(4), line[17:20].strip())
        if element is None:
            unknown[line[12:16].strip()] += 1
        else:
            body = line.rstrip("\r\n")
            lines[place] = f"{body[:76]:<76}{element:>2}{body[78:]}\n"
    if unknown:
        raise StructureError(
            f"{path} gives no elements (columns 77 and 78), and these names tell none beyond doubt: "
            f"{in_words(unknown)}; write the elements into the file"
        )
    return "".join(lines)


def _element_of_pdb_name(name: str, residue: str) -> str | None:
    if name[0] in " 0123456789" and name[1].upper() in "HBCNOFPSKI":
        return name[1].upper()
    if len(name.strip()) == 4 and name[0] == "H":  # hydrogens with long names begin a column earlier
        return "H"
    return element_of_name(name, residue)


def _refuse_names_of_other_elements(text: str, path: Path) -> None:
    """Names (columns 13 to 16) begin with the element, which stands in columns 77 and 78, too: CA is C or Ca."""
    for line in text.splitlines():
        if not line.startswith(("ATOM  ", "HETATM")):
            continue
        element = line[76:78].strip().capitalize()
        letters = re.sub(r"^[^A-Za-z]+", "", line[12:16].strip()).upper()
        if element not in chemical_symbols[1:] or not letters or letters.startswith(element.upper()):
            continue
        named = [letters[:n].capitalize() for n in (1, 2) if letters[:n].capitalize() in chemical_symbols[1:]]
        if named and not (element == "H" and letters[0] in "DT"):
            raise StructureError(
                f"structure.file: atom {line[6:11].strip()} of {path} is named {line[12:16].strip()!r} "
                f"({' or '.join(named)}), and its element is {element} (columns 77 and 78): correct one of them"
            )
