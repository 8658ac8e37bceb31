"""Pair styles of LAMMPS in the words of the run file: lines of one potential, or of each member of a committee."""

from __future__ import annotations

from lamplighter.config.member_lines import parse_member
from lamplighter.config.potential import PotentialSection
from lamplighter.driver import deepmd, models, other_plugins
from lamplighter.driver.pair_evaluation import Evaluation, Request
from lamplighter.driver.pair_style import PairStyle, committee_of


def require_installed(potential: PotentialSection) -> None:
    """Refuse lines that name a pair style whose package is not installed.

    Raises:
        EnvironmentProblem: DeePMD-kit is not installed.
    """
    if _name_deepmd(potential):
        deepmd.require_installed()


def evaluation(request: Request) -> Evaluation:
    """How lines of LAMMPS are carried out."""
    potential = request.potential
    style = None
    if potential.members:
        parsed = [parse_member(member) for member in potential.members]
        members = [PairStyle(each.style, each.words, each.coefficients) for each in parsed]
        style = committee_of(request.committee, members, request.corrected)
    with_models, with_deepmd = _name_models(potential), _name_deepmd(potential)
    return Evaluation(
        style,
        lines=tuple(potential.lammps),
        bridge=with_models,
        torch_first=with_models,
        plugins=frozenset({other_plugins.DEEPMD} if with_deepmd else ()),
        prepare=deepmd.require_style if with_deepmd else None,
    )


def _name_models(potential: PotentialSection) -> bool:
    every_line = [*potential.lammps, *(line for member in potential.members for line in member)]
    return any({models.STYLE, f"={models.STYLE}"} & set(line.split()) for line in every_line)


def _name_deepmd(potential: PotentialSection) -> bool:
    if any(parse_member(member).style == deepmd.KIND for member in potential.members):
        return True
    return any(
        deepmd.KIND in words[1:]  # also within a hybrid
        for words in (line.split() for line in potential.lammps)
        if words[:1] == ["pair_style"]
    )
