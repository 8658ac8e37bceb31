"""How much of a budget of wall-clock time a measurement gets, from what those before it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamplighter.scaling.cases import Case

SHORTEST_S = 10.0
"""A budget below is none: starting LAMMPS alone takes seconds."""

LONGEST_S = 120.0
"""More is not spent on one measurement: blocks are as many as tell a median by then."""

HANGS_AFTER = 6.0
"""A measurement that takes so many times its share hangs, and is ended."""

HANGS_NOT_BEFORE_S = 60.0

_STEPS_AT_LEAST = 40
"""Untimed steps, and the fewest blocks of the fewest steps."""


@dataclass(frozen=True)
class Cost:
    """What a measurement took: its start, and a step, s."""

    startup_s: float
    step_s: float
    atoms: int
    ranks: int
    variant: str


@dataclass(frozen=True)
class Share:
    """What a measurement may take.

    Attributes:
        seconds: That it plans with.
        least: That it needs by what is known; 0: nothing is known.
    """

    seconds: float
    least: float


def share(case: Case, known: Sequence[Cost], left_s: float, waiting: int, longest_s: float = LONGEST_S) -> Share:
    """The share of the next measurement in what is left of a budget.

    Args:
        case: The next measurement.
        known: What those before took.
        left_s: Of the budget.
        waiting: How many measurements are left, with this one.
        longest_s: More is not spent, unless it takes more to measure at all.
    """
    least = 0.0
    if known:
        own = [each for each in known if each.variant == case.variant.name] or list(known)
        nearest = min(own, key=lambda each: (abs(each.atoms - case.atoms), abs(each.ranks - case.ranks)))
        # atoms' own work alone: ghosts and messages make small domains slower than that
        step = nearest.step_s * (case.atoms / case.ranks) / (nearest.atoms / nearest.ranks)
        least = nearest.startup_s + _STEPS_AT_LEAST * (1 + 2 * len(case.sides)) * step
    fair = min(longest_s, left_s / max(waiting, 1))
    return Share(max(fair, min(least, left_s)), least)


def limit(case: Case, known: Sequence[Cost], chance: Share, left_s: float) -> float:
    """After how long a measurement is ended, s: it hangs.

    What others take says nothing of a potential that was not measured yet: a universal model may take a hundred times
    as long as a small one. It gets half of what is left.
    """
    if not known:
        return left_s
    longest = max(HANGS_NOT_BEFORE_S, HANGS_AFTER * max(chance.seconds, chance.least))
    if all(each.variant != case.variant.name for each in known):
        longest = max(longest, left_s / 2.0)
    return min(left_s, longest)
