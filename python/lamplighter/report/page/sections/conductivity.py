"""Ionic conductivity and transference numbers at constant volume, of runs with ions."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.errors import LamplighterError
from lamplighter.observables.conductivity import (
    ConductivityOfRuns,
    ConductivityOptions,
    TrajectoryConductivity,
    conductivities_together,
    conductivity_of_run,
    has_ions,
)
from lamplighter.report.conductivity_text import conductivity_as_json, draw_displacements
from lamplighter.report.drawing import new_figure
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes


def make(run: ReportedRun) -> Content:
    """Nothing of a run without ions. Raises LamplighterError: as `conductivity_of_run`."""
    if not has_ions(run):
        return Content()
    found = conductivity_of_run(run, None, ConductivityOptions(run.wishes.observables.diffusivity))
    detail = f"{found.charges}; {found.temperature:.4g} K"
    numbers: list[Number] = [
        number("conductivity", found.einstein, "conductivity", detail=detail),
        number("conductivity without correlations", found.nernst_einstein, "nernst_einstein", detail=detail),
    ]
    for ion in found.ions:
        if ion.in_solvent is not None:
            name, detail = f"transference of {ion.name}", "the mean of the solvent at rest"
            numbers.append(number(name, ion.in_solvent, "transference", detail=detail))
    figure, (axis,) = new_figure()
    draw_displacements(axis, [found])
    caption = "Square displacement of all charges together, and of each ion by itself, per sum of squared charges."
    blocks: list[Block] = [Picture("charges", caption, figure, "conductivity")]
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(numbers, blocks, data=conductivity_as_json(conductivities_together([found])), kept=found)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """Means over all runs."""
    if len(made) < 2:
        return Content()
    found: list[TrajectoryConductivity] = [each.content.kept for each in made]
    try:
        result: ConductivityOfRuns = conductivities_together(found)
    except LamplighterError:
        return Content()  # of different ions, which are beside each other in the comparison
    return Content(
        [
            number("conductivity", result.einstein, "conductivity", detail=f"{len(found)} runs"),
            number("conductivity without correlations", result.nernst_einstein, "nernst_einstein"),
        ],
        data=conductivity_as_json(result),
    )


SECTION = Section(
    "conductivity",
    "Conductivity",
    "results",
    make,
    together,
    promises=[("conductivity", "conductivity")],
    definitions=[
        Definition(
            "conductivity",
            "Ionic conductivity, σ",
            "σ = lim d/dt ⟨|Σ<sub>i</sub> q<sub>i</sub> (r<sub>i</sub>(t) − r<sub>i</sub>(0))|²⟩ / 6Vk<sub>B</sub>T",
            "From the displacement of all charges together at constant volume, so that correlations of ions are part of"
            " it. Charges are formal ones.",
            "M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7",
            "docs/theory/conductivity.md",
        ),
        Definition(
            "nernst_einstein",
            "Conductivity of ions that move independently",
            "σ<sub>NE</sub> = e² Σ<sub>s</sub> N<sub>s</sub>z<sub>s</sub>²D<sub>s</sub> / Vk<sub>B</sub>T",
            "What the diffusivities of the ions say without their correlations (Nernst, Einstein).",
            "M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7",
            "docs/theory/conductivity.md",
        ),
        Definition(
            "transference",
            "Transference number",
            "t<sub>a</sub> = z<sub>a</sub> Σ<sub>b</sub> z<sub>b</sub>L<sub>ab</sub> / Σ z<sub>a</sub>z<sub>b</sub>"
            "L<sub>ab</sub>",
            "Share of the current that a species carries, with all correlations, against the mean motion of the neutral"
            " molecules.",
            "K. D. Fong et al., AIChE J. 66, e17091 (2020)",
            "docs/theory/conductivity.md",
        ),
    ],
)
