"""The XML file of a Gaussian approximation potential as `gap_fit` writes it, and the files that belong to it.

Read without QUIP, which ends the process where a file is damaged. Attributes of interest: `init_args` of `Potential`
(QUIP runs what it names, which could be a shell command: only `IP GAP` is accepted), `sparseX_filename` and
`sparseX_md5sum` of `gpCoordinates`, the text of `descriptor`. Source: QUIP, IPModel_GAP and gp_predict.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256

_START = re.compile(rb"""<Potential\s[^>]*init_args\s*=\s*["'][^"']*\bGAP\b""")
_ONE_GAP = re.compile(r"\s*IP\s+GAP(\s+label=\S+)?\s*", re.IGNORECASE)
_PAIR = re.compile(r"(\w+)=(\{[^}]*\}|\S+)")


@dataclass(frozen=True)
class Descriptor:
    """One descriptor with its sparse points.

    Attributes:
        kind: QUIP's name, e.g. `distance_2b` or `soap`.
        words: Its parameters, e.g. `{"cutoff": "4.0", "Z1": "1", "Z2": "8"}`.
        sparse_points: How many.
    """

    kind: str
    words: dict[str, str]
    sparse_points: int

    @property
    def atomic_numbers(self) -> set[int]:
        """Of the elements that it names; 0 stands for any."""
        named = [self.words[key] for key in ("Z", "Z1", "Z2", "species_Z") if key in self.words]
        return {int(number) for text in named for number in re.findall(r"\d+", text)}

    @property
    def cutoff(self) -> float | None:
        """Å."""
        found = self.words.get("cutoff", self.words.get("rcut_hard"))
        return float(found) if found else None


@dataclass(frozen=True)
class GapFile:
    """What an XML file says.

    Attributes:
        path: The file.
        version: `gap_version`: when the source of `gap_fit` was last changed, seconds since 1970.
        descriptors: In its order.
        atomic_energies: eV, by atomic number, those that are not 0.
        companions: Files that belong to it (sparse points), in its order.
        command_line: Of `gap_fit`, if it was kept.
    """

    path: Path
    version: str | None
    descriptors: list[Descriptor] = field(default_factory=list)
    atomic_energies: dict[int, float] = field(default_factory=dict)
    companions: list[Path] = field(default_factory=list)
    command_line: str = ""

    @property
    def elements(self) -> list[str]:
        """Symbols of the elements that it was trained on; all of them, where nothing in it tells."""
        numbers = set(self.atomic_energies).union(*(each.atomic_numbers for each in self.descriptors)) - {0}
        return [chemical_symbols[z] for z in sorted(numbers)] or chemical_symbols[1:]


def is_gap(path: Path) -> bool:
    """Whether a file begins as `gap_fit` writes its own."""
    try:
        with path.open("rb") as file:
            start = file.read(8192)
    except OSError:
        return False
    return start.lstrip().startswith(b"<") and _START.search(start) is not None


def read(path: Path) -> GapFile:
    """Read an XML file and check the files that belong to it.

    Raises:
        ModelError: it is damaged, not a GAP alone, or one of its files is missing or of another fit.
    """
    found = _parse(path)
    missing = [each for each in found.companions if not each.is_file()]
    if missing:
        raise ModelError(
            f"model file {path} lacks files that belong to it: {', '.join(each.name for each in missing)}; they are "
            f"expected in {path.parent}, under these names (gap_fit writes them beside the XML file: copy them along)"
        )
    return found


def companions(path: Path) -> list[Path]:
    """Files that belong to a model file: sparse points of a GAP; none of any other."""
    return read(path).companions if is_gap(path) else []


def _parse(path: Path) -> GapFile:
    checksums: dict[Path, str] = {}
    version, command_line, ngaps = None, "", 0
    descriptors: list[Descriptor] = []
    energies: dict[int, float] = {}
    sparse_points = 0
    try:
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            name, attributes = element.tag, element.attrib
            if event == "start":
                if name == "Potential":
                    _require_gap_alone(path, attributes.get("init_args", ""))
                elif name == "GAP_params":
                    version, ngaps = attributes.get("gap_version"), ngaps + 1
                elif name == "GAP_data" and attributes.get("do_core", "F").upper().startswith("T"):
                    raise _not_alone(path, "a core potential beside it (do_core)")
                elif name == "gpCoordinates":
                    sparse_points = int(attributes.get("n_sparseX", 0))
                    if "sparseX_filename" in attributes:
                        file = path.parent / attributes["sparseX_filename"]
                        checksums[file] = attributes.get("sparseX_md5sum", "").strip()
                continue
            if name == "e0" and float(attributes["value"]) != 0.0:
                energies[int(attributes["Z"])] = float(attributes["value"])
            elif name == "descriptor":
                descriptors.append(_descriptor(element.text or "", sparse_points))
            elif name == "command_line":
                command_line = (element.text or "").strip()
            element.clear()  # such files hold millions of numbers, and may hold the training set
    except (ElementTree.ParseError, KeyError, ValueError) as problem:
        raise ModelError(
            f"model file {path} cannot be read as the XML file of a GAP, it is damaged or incomplete; copy it again "
            f"({type(problem).__name__}: {problem})"
        ) from problem
    except OSError as problem:
        raise ModelError(f"model file {path} cannot be read: {problem.strerror or problem}") from problem
    if ngaps != 1 or not descriptors:
        raise ModelError(f"model file {path} holds {ngaps} GAPs with {len(descriptors)} descriptors; expected one GAP")
    _check(path, checksums)
    return GapFile(path, version, descriptors, energies, list(checksums), command_line)


def _descriptor(text: str, sparse_points: int) -> Descriptor:
    kind = text.split()[0] if text.split() else ""
    return Descriptor(kind, dict(_PAIR.findall(text)), sparse_points)


def _require_gap_alone(path: Path, init_args: str) -> None:
    if not _ONE_GAP.fullmatch(init_args):
        raise _not_alone(path, f"init_args={init_args!r}")


def _not_alone(path: Path, what: str) -> ModelError:
    return ModelError(
        f"model file {path} asks QUIP for more than a GAP: {what}. Such a potential runs on one rank, as an ASE "
        "calculator (kind ase, calculator quippy.potential:Potential), if you trust the file"
    )


def _check(path: Path, checksums: dict[Path, str]) -> None:
    """QUIP checks the same, and says less."""
    for file, expected in checksums.items():
        if not file.is_file() or not expected:
            continue
        digest = hashlib.md5(usedforsecurity=False)
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != expected:
            raise ModelError(
                f"model file {path}: {file.name} is damaged or belongs to another fit (its MD5 sum is not the one in "
                "the XML file); copy both again from where they were made"
            )


def describe(path: Path) -> Description:
    """What a GAP is."""
    found = read(path)
    number = len(found.companions)
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="GAP",
        form="XML file" + (f" with {number} files of sparse points" if number else ""),
        needs="quippy, which runs it on CPUs, on any number of ranks",
        elements=found.elements,
        cutoff=max((each.cutoff for each in found.descriptors if each.cutoff is not None), default=None),
        precision="float64",
        parameters=sum(each.sparse_points for each in found.descriptors),
        atomic_energies={chemical_symbols[z]: energy for z, energy in found.atomic_energies.items()},
        descriptors=[_in_words(each) for each in found.descriptors],
        exchanges=False,
    )
    if found.version and found.version.isdigit():
        written = datetime.datetime.fromtimestamp(int(found.version), datetime.timezone.utc)
        description.version = f"gap_fit of {written:%Y-%m-%d} (gap_version {found.version})"
    return description


def _in_words(found: Descriptor) -> str:
    """Such as `soap C, 4 Å, 20 sparse points`; elements in the order in which they are written."""
    named = [number for key in ("Z", "Z1", "Z2") for number in re.findall(r"\d+", found.words.get(key, ""))]
    elements = "-".join(chemical_symbols[int(z)] if z != "0" else "any" for z in named)
    cutoff = f", {found.cutoff:g} Å" if found.cutoff is not None else ""
    return f"{found.kind} {elements}".rstrip() + f"{cutoff}, {found.sparse_points} sparse points"
