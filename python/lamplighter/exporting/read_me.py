"""The note of an export: how to start it, what it needs, what was left out, and what differs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import lamplighter
from lamplighter.driver.open_lammps import kokkos_switches
from lamplighter.exporting.model_forms import FOLDER, MadeModel
from lamplighter.exporting.targets import LAMPLIGHTER, Target
from lamplighter.run_folder.names import SCRIPT

COMMANDS = "make_models.sh"


@dataclass(frozen=True)
class Note:
    """What the note of an export says.

    Attributes:
        name: Of the run.
        target: What it was written for.
        style: The pair style.
        build: What its LAMMPS must be built with, and packages.
        ranks: That it was written for.
        models: Of the potential.
        left_out, differs: A sentence each.
        state: What it begins with.
    """

    name: str
    target: Target
    style: str
    build: Sequence[str]
    ranks: int
    models: Sequence[MadeModel]
    left_out: Sequence[str]
    differs: Sequence[str]
    state: str

    @property
    def starts(self) -> list[str]:
        """Command lines that start it."""
        program = "lamplighter lmp" if self.target.name == LAMPLIGHTER else "lmp"
        before = "" if self.ranks == 1 else f"mpirun -n {self.ranks} "
        found = [f"{before}{program} -in {SCRIPT}"]
        if self.target.kokkos:
            # ranks share one GPU where there are more of them; `g` is the number of GPUs of a node
            found.insert(0, f"{before}{program} {' '.join(kokkos_switches(self.ranks, 1))} -in {SCRIPT}")
        return found

    @property
    def to_make(self) -> list[MadeModel]:
        """Models that the user must make first."""
        return [each for each in self.models if not each.made]


def text(note: Note) -> str:
    """The note, as Markdown."""
    parts = [
        f"# {note.name}, for LAMMPS with `pair_style {note.style}`",
        f"Written by Lamplighter {lamplighter.__version__}. {note.state}",
        "## Start it",
    ]
    if note.to_make:
        parts.append(f"First make the model file, with `sh {COMMANDS}` or by hand in `{FOLDER}`:")
        parts.append(_code([shlex.join(each.command) for each in note.to_make]))
        parts.append("\n".join(f"- `{each.path.name}`: {each.why}." for each in note.to_make))
    parts += ["In this folder:" if len(note.starts) == 1 else "In this folder, on GPUs or without:", _code(note.starts)]
    if note.target.kokkos:
        parts.append("`g N` is the number of GPUs of a node; N ranks a node use one each.")
    parts += ["## What LAMMPS must have", _list(note.build)]
    if note.target.source:
        parts.append(f"The lines of the potential follow {note.target.source}.")
    done = [each for each in note.models if each.made and each.command]
    if done:
        parts += ["The model file was made by:", _code([shlex.join(each.command) for each in done])]
    parts += ["## What was left out", _list(note.left_out or ["Nothing."])]
    parts += ["## What differs", _list(note.differs)]
    return "\n\n".join(parts) + "\n"


def commands(models: Sequence[MadeModel]) -> str:
    """A script that makes the models that are not there."""
    lines = ["#!/bin/sh", "# Makes the model files of in.lammps.", "set -e", f'cd "$(dirname "$0")/{FOLDER}"']
    return "\n".join([*lines, *(shlex.join(each.command) for each in models)]) + "\n"


def _code(lines: Sequence[str]) -> str:
    return "\n".join(["```sh", *lines, "```"])


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
