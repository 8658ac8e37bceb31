"""What a plugin was compiled for, and from: two builds with equal fingerprints can stand in for each other."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from .installed_lammps import InstalledLammps
from .problem import PluginProblem

PLUGIN = "lamplighterplugin.so"
"""File name of a plugin; LAMMPS opens every `*plugin.so` of a folder."""

DESCRIPTION = "lamplighterplugin.json"
"""The file beside a plugin that holds its fingerprint."""

SOURCE_SUFFIXES = (".cpp", ".h")


@dataclass(frozen=True)
class Fingerprint:
    """What decides whether a plugin can be loaded into a LAMMPS.

    Attributes:
        lammps: version, such as `22 Jul 2025 - Update 2`.
        headers: SHA-256 over names and contents of LAMMPS' headers: the layout of its classes.
        definitions: compile definitions of that LAMMPS (sizes of integers), separated by commas.
        abi: platform, C++ ABI and MPI ABI.
        sources: SHA-256 over names and contents of the plugin's own sources.
    """

    lammps: str
    headers: str
    definitions: str
    abi: str
    sources: str

    @property
    def key(self) -> str:
        """A short name for folders: equal for equal fingerprints only."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Fingerprint:
        """Raises ValueError if the text does not hold a fingerprint."""
        try:
            return cls(**json.loads(text))
        except TypeError as problem:
            raise ValueError(f"not a fingerprint: {problem}") from problem

    def difference(self, other: Fingerprint) -> str:
        """Says in words what differs between this fingerprint and another; empty if nothing does."""
        if self.lammps != other.lammps:
            return f"LAMMPS {self.lammps} instead of {other.lammps}"
        if self.headers != other.headers:
            return f"other headers of LAMMPS {self.lammps}"
        if self.definitions != other.definitions:
            return f"{self.definitions} instead of {other.definitions}"
        if self.abi != other.abi:
            return f"{self.abi} instead of {other.abi}"
        return "other sources of the plugin" if self.sources != other.sources else ""


def fingerprint_for(lammps: InstalledLammps, sources: Path) -> Fingerprint:
    """The fingerprint of a plugin compiled now from `sources` for `lammps`."""
    return Fingerprint(
        lammps=lammps.version,
        headers=hash_of_files(lammps.include, (".h",)),
        definitions=",".join(lammps.definitions),
        abi=f"{sys.platform}-{os.uname().machine}-cxx11-mpich",
        sources=hash_of_files(sources, SOURCE_SUFFIXES),
    )


def hash_of_files(folder: Path, suffixes: tuple[str, ...]) -> str:
    """SHA-256 over the relative names and the contents of all files under `folder` with one of the suffixes."""
    total = hashlib.sha256()
    for name in sorted(_names(str(folder), "", suffixes)):
        content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        total.update(f"{name} {content}\n".encode())
    return total.hexdigest()


def _names(root: str, below: str, suffixes: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    try:
        entries = list(os.scandir(os.path.join(root, below)))  # noqa: PTH118 (much faster than pathlib)
    except OSError as problem:
        raise PluginProblem(
            f"{root} cannot be read ({problem.strerror})", "reinstall with `pip install --force-reinstall lamplighter`"
        ) from problem
    for entry in entries:
        if entry.is_dir():
            names += _names(root, f"{below}{entry.name}/", suffixes)
        elif entry.name.endswith(suffixes):
            names.append(f"{below}{entry.name}")
    return names


def c_header(lammps: InstalledLammps, fingerprint: Fingerprint) -> str:
    """The header `built_for.h` that compiles the fingerprint into a plugin."""
    return (
        "/* Written at build time: what this plugin is compiled for. */\n"
        f'#define LAMPLIGHTER_BUILT_FOR_DATE "{lammps.date}"\n'
        f"#define LAMPLIGHTER_BUILT_FOR_NUMBER {lammps.number}\n"
        f"#define LAMPLIGHTER_BUILT_FOR_FINGERPRINT {json.dumps(fingerprint.to_json())}\n"
    )
