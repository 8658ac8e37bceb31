"""Which framework wrote a model file, told from its bytes: nothing in it is run, no framework is imported for it.

A model file is a zip archive (or, from old torch, a bare pickle), or plain text. The names of classes that its pickle
asks for, or a few words of its plain-text parts, give the framework away.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pickletools
import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, NamedTuple

from lamplighter.errors import ModelError
from lamplighter.frameworks import FRAMEWORKS, Framework
from lamplighter.model_files import mace_package, tested_versions
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.model_files.gap_file import is_gap
from lamplighter.model_files.pickle_shells import LARGEST_PICKLE


def how_to_install(kind: str) -> str:
    """One line: the extra and the commands that make an environment for a framework, and how a run uses it."""
    framework = FRAMEWORKS[kind]
    return (
        "make an environment that has it, `python -m venv ENV`, `ENV/bin/pip install torch`, "
        f"`ENV/bin/pip install 'lamplighter[{framework.extra}]'` (in a clone: make {framework.make_target}), and name "
        "its Python in the run file, `potential: {python: ENV/bin/python}` (docs/how_to/environments.md)"
    )


def require_framework(kind: str, path: Path) -> None:
    """Import the package that runs models of a kind.

    Raises:
        ModelError: it cannot be imported; the message names the file and what to install.
    """
    framework = FRAMEWORKS[kind]
    tested_versions.require_tested(kind)
    try:
        with mace_package.quiet():
            importlib.import_module(framework.module)
    except ImportError as missing:
        raise ModelError(
            f"model file {path} is a {framework.name} model, and {framework.module} cannot be imported ({missing}): "
            f"{how_to_install(kind)}"
        ) from missing


def newer_than_installed(package: str, written: object) -> str:
    """What to say of a file that a newer version of a package wrote than the installed one; nothing of any other."""
    try:
        installed = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if not isinstance(written, str) or _numbers(written) <= _numbers(installed):
        return ""
    return f"it was written with {package} {written}, and {installed} is installed: pip install '{package}>={written}'"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]


def framework_of(path: Path) -> Framework | None:
    """The framework whose files look like `path`; None if it is of none that is known here."""
    for kind, looks_like in _TESTS.items():
        if looks_like(path):
            return FRAMEWORKS[kind]
    return None


def is_text(path: Path) -> bool:
    """Whether a file looks like a model that is a text, and so is no torch file."""
    return any(looks_like(path) for looks_like in _TEXTS.values())


def is_mace(path: Path) -> bool:
    """A MACE model or its ML-IAP object."""
    return any(name.startswith("mace.") for name in pickled_names(path))


def is_sevennet(path: Path) -> bool:
    """A checkpoint of SevenNet, or another pickle of its classes."""
    if {"model_state_dict", "chemical_species", "num_convolution_layer"} <= pickled_strings(path):
        return True
    return any(name.startswith("sevenn.") for name in pickled_names(path))


def is_nequip(path: Path) -> bool:
    """A package, a checkpoint, an ML-IAP object or a compiled model of NequIP or Allegro."""
    return any(
        looks_like(path)
        for looks_like in (is_nequip_package, is_nequip_checkpoint, is_nequip_mliap, is_nequip_compiled)
    )


def is_nequip_package(path: Path) -> bool:
    """What `nequip-package` writes."""
    return any(name.endswith("/model/package_metadata.txt") for name in members(path))


def is_nequip_checkpoint(path: Path) -> bool:
    """What training writes (`.ckpt`)."""
    strings = pickled_strings(path)
    return "pytorch-lightning_version" in strings and any(word.startswith("nequip.") for word in strings)


def is_nequip_mliap(path: Path) -> bool:
    """What `nequip-prepare-lmp-mliap` writes (`.nequip.lmp.pt`)."""
    return any(name.startswith("nequip.integrations.lammps_mliap.") for name in pickled_names(path))


def is_nequip_compiled(path: Path) -> bool:
    """What `nequip-compile` and `lamplighter compile` write (`.nequip.pt2`): machine code for one kind of call."""
    return any("data/aotinductor/" in name for name in members(path))


def members(path: Path) -> list[str]:
    """Names in a zip archive; none if it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []


def member_text(path: Path, ending: str) -> str:
    """A plain-text part of an archive; empty if it has none of that name."""
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith(ending)), None)
        return archive.read(name).decode("utf-8", errors="replace") if name else ""


def pickled_names(path: Path) -> set[str]:
    """`package.module.name` of everything that the pickle of a torch file asks for."""
    return _read(path).names


def pickled_strings(path: Path) -> set[str]:
    """All texts in the pickle of a torch file."""
    return _read(path).strings


def archive_inside(path: Path) -> bytes:
    """The largest zip archive that is in the pickle of a torch file as an object; empty if there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.partition("/")[2] == "data.pkl")
            with archive.open(name) as file:
                values = [value for _, value, _ in pickletools.genops(file) if isinstance(value, bytes | str)]
    except (OSError, ValueError, UnpicklingError, zipfile.BadZipFile, StopIteration):
        return b""
    found: bytes | str = max((v for v in values if v[:2] in (b"PK", "PK")), key=len, default=b"")
    # old protocols of pickle write bytes as text
    return found.encode("latin-1", errors="replace") if isinstance(found, str) else found


class _Pickle(NamedTuple):
    names: set[str]
    strings: set[str]


_read_before: dict[tuple[str, int, int], _Pickle] = {}


def _read(path: Path) -> _Pickle:
    """Reads a file once for all questions about it."""
    try:
        found = path.stat()
        key = (str(path.absolute()), found.st_size, found.st_mtime_ns)
        if key not in _read_before:
            _read_before.clear()
            _read_before[key] = _parse(path)
        return _read_before[key]
    except (OSError, ValueError, UnpicklingError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return _Pickle(set(), set())


def _parse(path: Path) -> _Pickle:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.partition("/")[2] == "data.pkl"), None)
            if name is None or archive.getinfo(name).file_size > LARGEST_PICKLE:
                return _Pickle(set(), set())
            with archive.open(name) as file:
                return _operations(file)
    names: set[str] = set()
    strings: set[str] = set()
    with path.open("rb") as file:  # several pickles, one after the other, then the tensors
        if file.read(2) != b"\x80\x02":
            return _Pickle(names, strings)
        file.seek(0)
        for _ in range(4):
            one = _operations(file)
            names |= one.names
            strings |= one.strings
    return _Pickle(names, strings)


def _operations(file: IO[bytes]) -> _Pickle:
    """Names and texts in one pickle, by reading its operations, not running them."""
    names: set[str] = set()
    strings: set[str] = set()
    last: list[str] = []
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "GLOBAL":
            names.add(str(argument).replace(" ", "."))
        elif operation.name == "STACK_GLOBAL":
            names.add(".".join(last[-2:]))
        elif isinstance(argument, str):
            strings.add(argument)
            last = [*last[-1:], argument]
    return _Pickle(names, strings)


_TEXTS = {"gap": is_gap, "ase": is_calculator_file}
_TESTS = {**_TEXTS, "mace": is_mace, "nequip": is_nequip, "sevennet": is_sevennet}
