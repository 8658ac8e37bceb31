"""The members of a run file's potential, each by itself: models, pair styles, or the models within one compiled file.

Every command that evaluates the potential of a run file gets it from here, with all that the run file says of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase.data import atomic_numbers

from lamplighter.config.committee import CommitteeSection
from lamplighter.config.loading import load_run_file
from lamplighter.config.member_lines import parse_member
from lamplighter.config.potential import PotentialSection
from lamplighter.config.run_file import RunFile
from lamplighter.errors import ModelError
from lamplighter.file_suffixes import COMPILED
from lamplighter.run_folder.names import RUN_FILE, STRUCTURE
from lamplighter.structures import read_start_structure

# Commands that say the same whatever the atom types are.
_OF_ALL_TYPES = (
    "pair_style",
    "pair_modify",
    "kspace_style",
    "kspace_modify",
    "special_bonds",
    "neighbor",
    "neigh_modify",
)


@dataclass(frozen=True)
class Member:
    """One member.

    Attributes:
        potential: With this member alone, and all that is added to it.
        committee: Keywords that choose it, of a file that holds several; else empty.
        types: Elements of the atom types that its lines speak of; empty: it takes elements, in any order.
        spread: Whether it is a committee whose disagreement is wanted, too.
    """

    potential: PotentialSection
    committee: str = ""
    types: tuple[str, ...] = ()
    spread: bool = False


def members_of_run_file(path: Path) -> dict[str, Member]:
    """Each member of a run file's potential, as `members_alone`.

    Words of earlier versions are noted on standard error, but of the run file that a run has left in its folder.

    Raises:
        ConfigError: the run file is not valid.
        ModelError: a compiled model cannot be read.
        StructureError: lines of LAMMPS speak of atom types, and the start structure, which has them, cannot be read.
    """
    run = load_run_file(path)
    own = path.resolve().parent / STRUCTURE
    of_folder = path.name == RUN_FILE and own.is_file()
    for note in run.notes if not of_folder else ():
        print(f"Note: {path}: {note}", file=sys.stderr)
    types: Sequence[str] = ()
    if speaks_of_types(run.potential):
        # a run folder has what LAMMPS read, whatever became of the file that it was made from
        stored = {"file": own, "format": "lammps-data"} if of_folder else {}
        types = read_start_structure(run.structure.model_copy(update=stored)).elements
    return members_alone(run, types)


def members_alone(run: RunFile, types: Sequence[str]) -> dict[str, Member]:
    """Each member of the potential of a resolved run file by a name of its own, in order.

    Args:
        run: The run file.
        types: Elements of the atom types of its start structure; used where its lines speak of types.

    Raises:
        ModelError: a compiled model cannot be read.
    """
    potential = run.potential
    of_types = tuple(types) if speaks_of_types(potential) else ()
    found: dict[str, Member] = {}
    for model in potential.models:
        alone = potential.model_copy(update={"models": [model]})
        count = 1
        if model.suffix == COMPILED and potential.evaluated_by == "lamplighter":
            count = count_members(model)
        for number in range(1, count + 1):
            name = model.stem if count == 1 else f"{model.stem} {number}"
            words = "" if count == 1 else CommitteeSection(drive=number).words(0.0)
            found[_unused(name, found)] = Member(alone, words)
    for number, lines in enumerate(potential.members, start=1):
        alone = potential.model_copy(update={"members": [lines]})
        found[_unused(f"{parse_member(lines).style} {number}", found)] = Member(alone, types=of_types)
    return found or {_name(potential): Member(potential, types=of_types)}


def count_members(path: Path) -> int:
    """How many models a compiled file holds; torch is not imported.

    Raises:
        ModelError: not a compiled model.
    """
    import safetensors

    try:
        with safetensors.safe_open(str(path), "np") as file:
            return int(file.get_tensor("members").reshape(-1)[0]) if "members" in file.keys() else 1  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as problem:
        raise ModelError(f"{path} is not a compiled model ({problem})") from problem


def speaks_of_types(potential: PotentialSection) -> bool:
    """Whether lines of LAMMPS are written for certain atom types: not all alike, or by a list of elements."""
    every_line = [*potential.lammps, *(line for member in potential.members for line in member)]
    return any(_speaks_of_types(line.partition("#")[0].split()) for line in every_line)


def _speaks_of_types(words: list[str]) -> bool:
    if not words or words[0] in _OF_ALL_TYPES:
        return False
    if words[0] != "pair_coeff" or words[1:3] != ["*", "*"]:
        return True
    return any(word in atomic_numbers or word == "NULL" for word in words[3:])


def _name(potential: PotentialSection) -> str:
    if potential.calculator is not None:
        return potential.calculator
    if potential.classical is not None:
        return potential.classical
    styles = [line.split()[1] for line in potential.lammps if line.split()[:1] == ["pair_style"] and line.split()[1:]]
    return styles[-1] if styles else "lammps"


def _unused(name: str, found: dict[str, Member]) -> str:
    tried = [name, *(f"{name} ({number})" for number in range(2, len(found) + 3))]
    return next(each for each in tried if each not in found)
