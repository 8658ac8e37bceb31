"""What came of holding a trajectory against the criteria of the guard."""

from __future__ import annotations

from dataclasses import dataclass, field

from lamplighter.analysis.stability_check import CheckResult


@dataclass(frozen=True)
class Check:
    """A check that was made.

    Attributes:
        outcome: The violations, and how far the trajectory holds.
        criteria: What was watched, in words.
        n_bonds: Bonds that were watched; None: the criteria need none.
        reference: What bonds were compared with: `mean`, `initial`, or a file.
        molecules: What the bonds make, in words; empty: that is not known.
        notes: What limits the answer.
    """

    outcome: CheckResult
    criteria: list[str]
    n_bonds: int | None
    reference: str
    molecules: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def t_stab_ps(self) -> float | None:
        """Time to the first violation, or a lower bound of it, ps; None: nothing can be said of it."""
        unwatched = self.outcome.censored and self.n_bonds == 0
        return None if self.outcome.fails_at_once or unwatched else self.outcome.t_stab_ps
