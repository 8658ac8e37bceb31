"""The quality metric Q of the runs together, against a reference."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamplighter.observables.quality import quality_of_runs
from lamplighter.report.page.content import Block, Content, Notes, Number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.report.quality_text import quality_as_json


def make(run: ReportedRun) -> Content:
    """Nothing of a single run: Q is that of a committee, though it may have one member."""
    run.require_dynamics()
    return Content(kept=run)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """Raises LamplighterError: as `quality_of_runs`. Without a reference, that is what is said."""
    if not wishes.has_reference:
        why = "no reference was given (--reference RUN, or --reference-density MEAN STD)"
        return Content([Number("Q", None, math.nan, "", "Q", note=why)])
    runs = [each.content.kept for each in made]
    result = quality_of_runs(runs, wishes.references, wishes.stored, wishes.observables)
    found = result.quality
    bound = "≥" if found.lower_bound else ""
    method = "error: jackknife over runs, that of the reference not included"
    numbers = [
        Number(
            "Q", found.value, found.standard_error, "", "Q", method, f"horizon {result.horizon_ps:g} ps", bound=bound
        )
    ]
    for name, term in (("stability", found.stability), ("density", found.density), ("diffusivity", found.diffusivity)):
        detail = f"{term.n_included} of {term.n_runs} runs"
        numbers.append(
            Number(f"Q: {name}", term.value, term.standard_error, "", "Q", method, detail, caution=term.note)
        )
    blocks: list[Block] = [Notes(result.notes)] if result.notes else []
    return Content(numbers, blocks or [], data=quality_as_json(result))


SECTION = Section(
    "quality",
    "Quality",
    "results",
    make,
    together,
    promises=[],
    definitions=[
        Definition(
            "Q",
            "Quality, Q",
            "Q = ⟨min(1, t<sub>NPT</sub>/h)⟩ + {1 − tanh[max(0, D<sub>KL</sub>(P‖P<sub>ref</sub>) − noise)]} + {1 −"
            " tanh(|D − D<sub>ref</sub>| / D<sub>ref</sub>)}",
            "From 0 to 3: stable up to the horizon h, of the right density, of the right mobility. Only runs that"
            " reach the horizon enter the second and third term. D<sub>KL</sub> = Σ P ln(P/P<sub>ref</sub>) over the"
            " bins of P(ρ).",
            "Niblett et al., equation 1",
            "docs/theory/quality.md",
        )
    ],
)
