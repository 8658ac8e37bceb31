"""Who evaluates a potential, and what it asks of LAMMPS: decided once, and read by all that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lamplighter.config.potential import EvaluatedBy, PotentialSection
from lamplighter.driver import classical, corrections, deepmd, elements_of_lines, lammps_lines, models, own_lammps
from lamplighter.driver.pair_evaluation import Evaluation, Request
from lamplighter.driver.pair_style import PairStyle, lines_of_sum
from lamplighter.driver.preflight import CheckedPotential

_WAYS: dict[EvaluatedBy, Callable[[Request], Evaluation]] = {
    "lamplighter": models.evaluation,
    "deepmd": deepmd.evaluation,
    "own lammps": own_lammps.evaluation,
    "lammps": lammps_lines.evaluation,
    "classical": classical.evaluation,
}


@dataclass(frozen=True)
class PairSetup:
    """A potential as LAMMPS gets it, for certain atom types on so many ranks.

    Attributes:
        evaluated_by: Who evaluates.
        elements: Of each atom type.
        lines: `pair_style`, `pair_coeff`, and what must follow them.
        style: Name of the pair style that evaluates, which has the numbers of the committee, for `compute pair`; empty
            where LAMMPS' own lines are given.
        newton, bridge, torch_first, plugins, prepare: As `pair_evaluation.Evaluation`.
        kokkos: GPUs of a node for LAMMPS' package KOKKOS, 0 for threads; None: it is not used.
        calculator: Content of the file that names the calculator of the run file; None if it names none.
    """

    evaluated_by: EvaluatedBy
    elements: tuple[str, ...]
    lines: tuple[str, ...]
    style: str
    newton: Literal["on", "off"]
    bridge: bool
    torch_first: bool
    plugins: frozenset[str]
    prepare: Callable[[Any], None] | None
    kokkos: int | None
    calculator: str | None


def pair_setup(
    checked: CheckedPotential,
    elements: Sequence[str],
    committee: str = "",
    calculator: Path = Path(models.CALCULATOR),
    periodic: bool = True,
    extrapolation: int = 0,
) -> PairSetup:
    """Decide how a potential is evaluated. Each model file is looked at once; none is opened.

    Args:
        checked: From `preflight.checked`.
        elements: Of each atom type.
        committee: Keywords of a committee, or nothing: then the first model or member alone.
        calculator: The file that names the calculator of the run file, if it names one.
        periodic: As `pair_evaluation.Request`.
        extrapolation: As `pair_evaluation.Request`.

    Raises:
        ConfigError: an element that a correction does not know, or lines that name other elements than the types'.
        ModelError: a model that does not fit the elements, or that no pair style of LAMMPS reads (on that many ranks)
            where `via: own` asks for one.
        LamplighterError: a model whose own uncertainty is wanted, and which knows nothing of its training set.
    """
    potential = checked.potential
    request = Request(potential, tuple(elements), checked.ranks, committee, calculator, periodic, extrapolation)
    found = _WAYS[potential.evaluated_by](request)
    lines = list(found.lines)
    if found.style is not None:
        lines = lines_with_corrections(found.style, potential, elements)
    elements_of_lines.require_same_elements(lines, elements)
    return PairSetup(
        evaluated_by=potential.evaluated_by,
        elements=tuple(elements),
        lines=tuple(lines),
        style="" if found.style is None else found.style.name,
        newton=found.newton,
        bridge=found.bridge,
        torch_first=found.torch_first,
        plugins=found.plugins,
        prepare=found.prepare,
        kokkos=potential.kokkos,
        calculator=models.calculator_file(potential),
    )


def lines_with_corrections(style: PairStyle, potential: PotentialSection, elements: Sequence[str]) -> list[str]:
    """The lines of a pair style, with dispersion and repulsion where the run file adds them.

    Raises:
        ConfigError: an element that a correction does not know.
    """
    parts = [style]
    if potential.dispersion is not None:
        parts.append(corrections.dispersion(potential.dispersion, elements))
    if potential.zbl is not None:
        parts.append(corrections.zbl(potential.zbl, elements))
    lines = lines_of_sum(parts)
    if potential.dispersion is not None:
        lines.append(corrections.room_for_neighbours(potential.dispersion))
    return lines
