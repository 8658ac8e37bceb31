"""The plain LAMMPS scripts: where they are, and which of them a script includes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import lamplighter
from lamplighter.driver.script_block import Block
from lamplighter.errors import EnvironmentProblem

_PACKAGE = Path(lamplighter.__file__).resolve().parent
_INCLUDE = re.compile(r"^include[ \t]+(inputs/\S+)[ \t]*$", re.M)
_IF_INCLUDE = re.compile(r'^if[ \t]+"([^"]+)"[ \t]+then[ \t]+"include[ \t]+(inputs/[^\s"$]+)"[ \t]*$', re.M)
_LABEL = re.compile(r"^label[ \t]+(\w+)", re.M)
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
    """A script with the text of the files that it includes, between marks that name them.

    As all is one file then, a label has the number of its insertion, and a file that is included on a condition is
    jumped over where it does not hold.
    """
    return _expanded(script, scripts, itertools.count(1))


def _expanded(script: str, scripts: Path, numbers: Iterator[int]) -> str:
    def text_of(name: str) -> str:
        text, number = (scripts / name.removeprefix("inputs/")).read_text(encoding="utf-8"), next(numbers)
        for label in _LABEL.findall(text):
            text = re.sub(rf"\b{re.escape(label)}\b", f"{label}_{number}", text)
        return f"# >>> {name}\n{_expanded(text, scripts, numbers).rstrip()}\n# <<< {name}"

    def insert(match: re.Match[str]) -> str:
        return text_of(match.group(1))

    def insert_if(match: re.Match[str]) -> str:
        over = f"over_{next(numbers)}"
        # `label` does nothing but name a place
        begin = f'if "{match.group(1)}" then "label {over}_begin" else "jump SELF {over}"'
        return f"{begin}\n{text_of(match.group(2))}\nlabel {over}"

    return _INCLUDE.sub(insert, _IF_INCLUDE.sub(insert_if, script))
