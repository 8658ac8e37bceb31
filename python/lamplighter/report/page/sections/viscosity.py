"""Shear viscosity at constant volume, of runs that wrote their pressure tensor."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.observables.viscosity import RunViscosity, ViscosityOfRuns, viscosities_together, viscosity_of_run
from lamplighter.report.drawing import new_figure
from lamplighter.report.page.content import Block, Content, Notes, Picture, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.report.viscosity_text import draw_integrals, viscosity_as_json
from lamplighter.run_folder.names import PRESSURE


def make(run: ReportedRun) -> Content:
    """Nothing of a run without a pressure tensor. Raises LamplighterError: as `viscosity_of_run`."""
    if not (run.folder / PRESSURE).exists():
        return Content()
    found = viscosity_of_run(run, None, run.wishes.observables.diffusivity.discard)
    made = found.decomposition
    detail = (
        f"{made.n_pieces} pieces of {made.piece_ps:.4g} ps, cut off at {made.cutoff_ps:.3g} ps; "
        f"{found.temperature:.4g} K"
    )
    figure, (axis,) = new_figure()
    draw_integrals(axis, [found])
    caption = (
        "Running integral of the pressure's autocorrelation, its standard error, its fit, and where it is cut off."
    )
    blocks: list[Block] = [Picture("viscosity", caption, figure, "viscosity")]
    if found.notes:
        blocks.append(Notes(found.notes))
    data = viscosity_as_json(ViscosityOfRuns([found], found.viscosity))
    return Content([number("viscosity", found.viscosity, "viscosity", detail=detail)], blocks, data=data, kept=found)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """The running integrals of all runs, and their mean."""
    if len(made) < 2:
        return Content()
    found: list[RunViscosity] = [each.content.kept for each in made]
    result = viscosities_together(found)
    figure, (axis,) = new_figure()
    draw_integrals(axis, found, [each.run.label for each in made])
    return Content(
        [number("viscosity", result.mean, "viscosity", detail=f"{len(found)} runs")],
        [Picture("all_viscosities", "Running integrals of each run, with their fits.", figure, "viscosity")],
        data=viscosity_as_json(result),
    )


SECTION = Section(
    "viscosity",
    "Viscosity",
    "results",
    make,
    together,
    promises=[("viscosity", "viscosity")],
    definitions=[
        Definition(
            "viscosity",
            "Shear viscosity, η",
            "η = V/(k<sub>B</sub>T) ∫<sub>0</sub><sup>∞</sup> ⟨P(0) P(t)⟩ dt",
            "From the fluctuations of the pressure tensor at constant volume, averaged over its five components without"
            " trace. The series is cut into pieces; the mean of their integrals is fitted by two exponentials up to the"
            " time at which the pieces scatter by 40 %, and the limit of the fit is the viscosity. The error comes from"
            " drawing the pieces anew.",
            "Y. Zhang, A. Otani, E. J. Maginn, J. Chem. Theory Comput. 11, 3537 (2015)",
            "docs/theory/viscosity.md",
        )
    ],
)
