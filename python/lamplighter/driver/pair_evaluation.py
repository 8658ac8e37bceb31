"""The question to a way of evaluation, and its answer.

The five ways are `models`, `deepmd`, `own_lammps`, `lammps_lines` and `classical`; `pair_setup` asks the one that a
potential needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lamplighter.config.potential import PotentialSection
from lamplighter.driver.pair_style import PairStyle


@dataclass(frozen=True)
class Request:
    """A potential, and the system that it is for.

    Attributes:
        potential: A section of the run file with absolute paths.
        elements: Of each atom type.
        ranks: Of the run.
        committee: Keywords of a committee, or nothing: then the first model or member alone.
        calculator: The file that names the calculator of the run file, if it names one.
        periodic: Whether the system repeats in all directions; a classical force field asks.
        extrapolation: Steps between evaluations of the first model's own uncertainty; 0: it is not wanted.
    """

    potential: PotentialSection
    elements: tuple[str, ...]
    ranks: int
    committee: str
    calculator: Path
    periodic: bool = True
    extrapolation: int = 0

    @property
    def corrected(self) -> bool:
        """Whether dispersion or repulsion is added."""
        return self.potential.dispersion is not None or self.potential.zbl is not None


@dataclass(frozen=True)
class Evaluation:
    """Who evaluates, and what LAMMPS must have for it.

    Attributes:
        style: The pair style; None: `lines` say everything.
        lines: Of LAMMPS, in the words of the run file.
        bridge: Whether models may be evaluated, or compiled, by the Python process that drives LAMMPS.
        torch_first: Whether torch is imported before LAMMPS.
        newton: What `newton` must be.
        plugins: Of other packages, as `other_plugins` names them.
        prepare: Called with the open LAMMPS: makes it ready, or refuses it with an `EnvironmentProblem`. Every rank
            gets a copy, so that it can be pickled.
    """

    style: PairStyle | None
    lines: tuple[str, ...] = ()
    bridge: bool = False
    torch_first: bool = False
    newton: Literal["on", "off"] = "on"
    plugins: frozenset[str] = frozenset()
    prepare: Callable[[Any], None] | None = None
