"""The plain LAMMPS scripts: where they are, and which of them a script includes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import lamplighter
from lamplighter.driver.script_block import Block
from lamplighter.errors import EnvironmentProblem

_PACKAGE = Path(lamplighter.__file__).resolve().parent
_INCLUDE = re.compile(r"^include[ \t]+(inputs/\S+)[ \t]*$", re.M)
_INCLUDED_IF = re.compile(r"\"include[ \t]+(inputs/[^\s\"$]+)\"")


def scripts_folder() -> Path:
    """The folder of `lammps_inputs`: in the installed package, or at the top of a source tree.

    Raises:
        EnvironmentProblem: the installation is incomplete.
    """
    for folder in (_PACKAGE / "lammps_inputs", _PACKAGE.parents[1] / "lammps_inputs"):
        if (folder / "setup.lmp").is_file():
            return folder
    raise EnvironmentProblem(f"the LAMMPS scripts of Lamplighter are missing from {_PACKAGE}: reinstall lamplighter")


def included_files(blocks: Sequence[Block], scripts: Path) -> list[str]:
    """Names of all files of `scripts` that the script includes, also through others."""
    found: list[str] = []
    waiting = _INCLUDE.findall("\n".join(line for block in blocks for line in block.lines))
    while waiting:
        name = waiting.pop(0).removeprefix("inputs/")
        if name not in found:
            found.append(name)
            text = (scripts / name).read_text(encoding="utf-8")
            waiting += _INCLUDE.findall(text) + _INCLUDED_IF.findall(text)
    return found


def expanded(script: str, scripts: Path) -> str:
    """A script with the text of the files that it includes, between marks that name them."""

    def insert(match: re.Match[str]) -> str:
        name = match.group(1)
        text = (scripts / name.removeprefix("inputs/")).read_text(encoding="utf-8")
        return f"# >>> {name}\n{expanded(text, scripts).rstrip()}\n# <<< {name}"

    return _INCLUDE.sub(insert, script)
