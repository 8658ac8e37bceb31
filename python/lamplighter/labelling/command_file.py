"""Command files: how a program that Lamplighter does not know is asked about a frame, and what it leaves is read.

command: orca frame.inp > frame.out
inputs: {frame.inp: orca.inp}
output: frame.out
format: orca-output
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase
from ase import Atoms
from pydantic import Field

from lamplighter.cluster.wall_time import seconds_of
from lamplighter.config.loading import read_mapping
from lamplighter.config.problems import section_of
from lamplighter.config.section import ConfigSection
from lamplighter.errors import ConfigError, EnvironmentProblem, QueueProblem
from lamplighter.labelling.template import CELL, ELECTRONS, KNOWN, names_in

if TYPE_CHECKING:
    from lamplighter.driver.evaluation import OpenEvaluator

_ONE_FILE = re.compile(r"[^/\0]+")
_SHELL_WORDS = ("cd", "export", "for", "if", "set", "source", "test", "ulimit", "while")


class CommandSection(ConfigSection):
    """The keys of a command file (docs/how_to/label.md)."""

    command: str = Field(min_length=1)
    inputs: dict[str, Path] = Field(min_length=1)
    output: str = Field(min_length=1)
    format: str | None = None
    by_element: dict[str, dict[str, str]] = Field(default_factory=dict)
    timeout: str | None = None
    description: str = ""
    version: str = ""


@dataclass(frozen=True)
class CommandMethod:
    """A program that is asked about frames by files.

    Attributes:
        path: The command file.
        command: A line for `/bin/sh`, in the folder of the frame; it may hold placeholders.
        inputs: What is written into the folder: templates by names of files.
        output: What is read.
        format: ASE's name of its format, or `cp2k-output`; None: ASE tells.
        by_element: Placeholders of the user's own: a line of text for each element.
        timeout_s: How long a frame may take; None: as long as it does.
        description, version: What the user says of the method and the program.
    """

    path: Path
    command: str
    inputs: dict[str, str]
    output: str
    format: str | None = None
    by_element: dict[str, dict[str, str]] = field(default_factory=dict)
    timeout_s: float | None = None
    description: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        """The file's, without its folder."""
        return self.path.name

    @property
    def placeholders(self) -> set[str]:
        """What templates and command ask for."""
        return {name for text in (*self.inputs.values(), self.command) for name in names_in(text)}

    @property
    def has_own_threads(self) -> bool:
        """Always: the command says how many."""
        return True

    @property
    def has_electrons(self) -> bool:
        """Whether a template asks for the charge or the spin."""
        return not self.placeholders.isdisjoint(ELECTRONS)

    def require_possible(self, trust: bool = False) -> None:
        """Refuse a command whose program is not there. Raises EnvironmentProblem."""
        word = _program(self.command)
        if word and shutil.which(word, path=os.environ.get("PATH")) is None:
            raise EnvironmentProblem(
                f"{self.path}: command: there is no program {word!r} on the PATH: install it, load its module, or "
                "write its whole path"
            )

    def refusal(self, atoms: Atoms) -> str:
        """Cells that the templates do not hold, or ask for in vain; elements without a line."""
        has_cell = not self.placeholders.isdisjoint(CELL)
        if atoms.pbc.any() and not has_cell:
            return (
                "the frame is periodic, and no template holds a placeholder of its cell, so that it would be computed "
                "as a molecule: write {{cell}} into one, or give frames without periodicity"
            )
        if has_cell and not atoms.pbc.all():
            return "its templates hold the cell, and the frame is not periodic in all directions"
        for name, lines in self.by_element.items():
            if lacking := sorted(set(atoms.symbols) - set(lines)):
                return f"by_element.{name} has no line for {' '.join(lacking)}"
        return ""

    def open(self, elements: Sequence[str], threads: int | None = None, folder: Path | None = None) -> OpenEvaluator:
        """What writes, starts and reads."""
        from lamplighter.labelling.command import CommandEvaluator

        return CommandEvaluator(self, folder)

    def workers(self, cores: int) -> int:
        """One: programs of this kind use all cores themselves."""
        return 1

    def provenance(self) -> dict[str, Any]:
        """The command, and the hashes of the templates."""
        return {
            "method": self.name,
            "description": self.description,
            "command": self.command,
            "format": self.format,
            "by_element": self.by_element,
            "inputs": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.inputs.items()},
            "versions": {"ase": str(ase.__version__)} | ({"program": self.version} if self.version else {}),
        }


def read_command_file(path: Path) -> CommandMethod:
    """A command file with its templates, which lie beside it.

    Raises:
        ConfigError: a key or value is wrong, a template is missing, or holds an unknown placeholder.
    """
    source = f"command file {path}"
    given = read_mapping(path, "command file", "command, inputs and output")
    keys = section_of(CommandSection, given, source)
    for name in (*keys.inputs, keys.output):
        if not _ONE_FILE.fullmatch(name) or name in (".", ".."):
            raise ConfigError(
                f"{source}: {name!r} must be the name of a file in the folder of a frame, without folders"
            )
    if keys.format is not None:
        _require_format(keys.format, source)
    method = CommandMethod(
        path,
        keys.command,
        {name: _template(path.resolve().parent / file, source) for name, file in keys.inputs.items()},
        keys.output,
        keys.format,
        keys.by_element,
        _seconds(keys.timeout, source),
        keys.description,
        keys.version,
    )
    known = {*KNOWN, *keys.by_element}
    if unknown := sorted(method.placeholders - known):
        raise ConfigError(
            f"{source}: unknown placeholder {', '.join('{{' + each + '}}' for each in unknown)}; known are "
            f"{', '.join(sorted(known))}"
        )
    return method


def _template(path: Path, source: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise ConfigError(f"{source}: the template {path} cannot be read ({why})") from problem


def _seconds(text: str | None, source: str) -> float | None:
    try:
        return None if text is None else seconds_of(text, f"{source}: timeout")
    except QueueProblem as problem:
        raise ConfigError(str(problem)) from None


def _require_format(name: str, source: str) -> None:
    from ase.io.formats import ioformats

    from lamplighter.labelling.cp2k_output import FORMAT

    if name == FORMAT:
        return
    if name not in ioformats or not ioformats[name].can_read:
        raise ConfigError(
            f"{source}: format: ASE {ase.__version__} reads no {name!r}; of programs it reads e.g. orca-output, "
            f"espresso-out, vasp-xml, extxyz (`ase info --formats` lists all), and Lamplighter reads {FORMAT}"
        )


def _program(command: str) -> str:
    """The first word, where it is plainly a program; empty: only the shell can tell."""
    words = command.split()
    while words and re.fullmatch(r"\w+=\S*", words[0]):
        words = words[1:]
    first = words[0] if words else ""
    if first in _SHELL_WORDS or not re.fullmatch(r"[\w./+-]+", first):
        return ""
    return "" if "/" in first and not first.startswith("/") else first
