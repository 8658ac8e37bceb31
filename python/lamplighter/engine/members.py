"""The members of a potential, each by itself: models, pair styles, or the models within one compiled file."""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.config.committee import Committee
from lamplighter.config.members import parse_member
from lamplighter.config.run_file import Potential
from lamplighter.engine import potential as lines_of_potential

COMPILED = ".lamp"


@dataclass(frozen=True)
class Member:
    """One member.

    Attributes:
        potential: With this member alone, and all that is added to it.
        committee: Keywords that choose it, of a file that holds several; else empty.
    """

    potential: Potential
    committee: str = ""


def members_alone(potential: Potential) -> dict[str, Member]:
    """Each member of a resolved potential by a name of its own, in order.

    Raises:
        ModelError: a compiled model cannot be read.
    """
    found: dict[str, Member] = {}
    for model in potential.models:
        alone = potential.model_copy(update={"models": [model]})
        count = 1
        if model.suffix == COMPILED and lines_of_potential.evaluates_models(potential):
            from lamplighter.potentials.mace_compile import count_members

            count = count_members(model)
        for number in range(1, count + 1):
            name = model.stem if count == 1 else f"{model.stem} {number}"
            words = "" if count == 1 else Committee(drive=number).words(0.0)
            found[_unused(name, found)] = Member(alone, words)
    for number, lines in enumerate(potential.members, start=1):
        alone = potential.model_copy(update={"members": [lines]})
        found[_unused(f"{parse_member(lines).style} {number}", found)] = Member(alone)
    return found or {_name(potential): Member(potential)}


def _name(potential: Potential) -> str:
    if potential.calculator is not None:
        return potential.calculator
    styles = [line.split()[1] for line in potential.lammps if line.split()[:1] == ["pair_style"] and line.split()[1:]]
    return styles[-1] if styles else "lammps"


def _unused(name: str, found: dict[str, Member]) -> str:
    tried = [name, *(f"{name} ({number})" for number in range(2, len(found) + 3))]
    return next(each for each in tried if each not in found)
