"""Compression and thermal expansion, of runs whose stages are at several pressures or temperatures."""

from __future__ import annotations

from lamplighter.observables.compression import compression_of_runs
from lamplighter.observables.thermal_expansion import thermal_expansion_of_runs
from lamplighter.report.compression_text import (
    compression_as_json,
    draw_compressibilities,
    draw_residuals,
    draw_volumes,
)
from lamplighter.report.drawing import new_figure
from lamplighter.report.page.content import Block, Content, Notes, Picture, number
from lamplighter.report.page.section import Definition, ReportedRun, Section
from lamplighter.report.thermal_expansion_text import thermal_expansion_as_json, thermal_expansion_figure

_FEWEST_PRESSURES = 4
_FEWEST_TEMPERATURES = 3


def make(run: ReportedRun) -> Content:
    """Nothing where the stages are no such series. Raises LamplighterError: they are, and cannot be used."""
    if len(_constants(run, "pressure")) >= _FEWEST_PRESSURES:
        return _compression(run)
    if len(_constants(run, "temperature")) >= _FEWEST_TEMPERATURES:
        return _expansion(run)
    return Content()


def _constants(run: ReportedRun, key: str) -> set[str]:
    """Different values of `key` of the NPT stages in which it does not change."""
    stages = [each for each in run.run_file.get("stages", []) if isinstance(each, dict) and each.get("type") == "npt"]
    return {str(each[key]) for each in stages if key in each and not isinstance(each[key], list)}


def _compression(run: ReportedRun) -> Content:
    found = compression_of_runs([run])
    numbers = [
        number("compressibility, from compression", found.fit.compressibility, "tait", unit="×10⁻¹⁰ 1/Pa", factor=1e10)
    ]
    blocks: list[Block] = []
    for name, draw, caption in (
        ("compression", draw_volumes, "Volume against pressure, with the Tait equation."),
        ("compression_residuals", draw_residuals, "What the Tait equation leaves of the volumes."),
        ("compressibilities", draw_compressibilities, "Compressibility from the equation, and from fluctuations."),
    ):
        figure, (axis,) = new_figure()
        draw(axis, found)
        blocks.append(Picture(name, caption, figure, "tait"))
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(numbers, blocks, data=compression_as_json(found), kept=found)


def _expansion(run: ReportedRun) -> Content:
    found = thermal_expansion_of_runs([run])
    numbers = [
        number("dρ/dT", found.line.slope, "expansion", unit="×10⁻³ g/cm³/K", factor=1e3),
        number("thermal expansion", found.line.expansion, "expansion", unit="×10⁻³ 1/K", factor=1e3),
    ]
    caption = "Density against temperature, and the line through it."
    blocks: list[Block] = [Picture("expansion", caption, thermal_expansion_figure(found), "expansion")]
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(numbers, blocks, data=thermal_expansion_as_json(found), kept=found)


SECTION = Section(
    "equation_of_state",
    "Equation of state",
    "results",
    make,
    definitions=[
        Definition(
            "tait",
            "Compressibility from compression",
            "V = V<sub>0</sub> [1 − C ln(1 + p/B)], κ<sub>T</sub>(p→0) = C/B",
            "The Tait equation through the mean volumes at several pressures; errors of the means are its weights.",
            "Goodwin et al.: Transferability and accuracy of ionic liquid simulations",
            "docs/how_to/equation_of_state.md",
        ),
        Definition(
            "expansion",
            "Thermal expansion",
            "α<sub>V</sub> = −(1/ρ) dρ/dT",
            "The slope of a line through the mean densities at several temperatures, weighted by their errors.",
            "Goodwin et al.: Transferability and accuracy of ionic liquid simulations",
            "docs/how_to/equation_of_state.md",
        ),
    ],
)
