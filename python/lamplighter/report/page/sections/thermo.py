"""Temperature, pressure, density and energy against time, and their means in the last stage."""

from __future__ import annotations

from lamplighter.analysis.series import CONSTANT, Estimate
from lamplighter.errors import RunFolderError
from lamplighter.observables.stage_summary import summarise_stage
from lamplighter.report.figure import thermo_panels
from lamplighter.report.page.content import Block, Content, Number, Picture, number
from lamplighter.report.page.section import Definition, ReportedRun, Section

_CAPTIONS = {
    "temperature_K": "Temperature.",
    "pressure_bar": "Pressure, and its running mean.",
    "density_g_cm3": "Density.",
    "energy": "Potential energy.",
}
_AVERAGED = ("temperature", "pressure", "potential_energy")


def make(run: ReportedRun) -> Content:
    """Raises RunFolderError: there are no rows of dynamics."""
    run.require_dynamics()
    stages = [stage for stage in run.stages if not stage.is_minimisation]
    stages = [stage for stage in stages if run.thermo.stage(stage.index).n_rows]
    if not stages:
        raise RunFolderError("the thermo table holds no step of dynamics")
    last = stages[-1]
    summary = summarise_stage(run, last)
    numbers: list[Number] = []
    for name in _AVERAGED:
        if name in summary["means"]:
            found = Estimate(**summary["means"][name])
            where = f"stage {last.name}, {summary['averaged_over']}"
            made = number(name.replace("_", " "), found, "thermo_mean", detail=where)
            numbers.append(Number(**{**made.__dict__, "exact": True}) if found.note == CONSTANT else made)
    if summary["drift"]:
        numbers.append(number("drift of total energy", Estimate(**summary["drift"]), "drift"))
    blocks: list[Block] = [
        Picture(f"thermo_{column}", _CAPTIONS[column], figure, "thermo_mean") for column, figure in thermo_panels(run)
    ]
    return Content(numbers, blocks)


SECTION = Section(
    "thermo",
    "Course of the run",
    "results",
    make,
    promises=[("temperature", "thermo_mean"), ("pressure", "thermo_mean"), ("potential energy", "thermo_mean")],
    definitions=[
        Definition(
            "thermo_mean",
            "Mean of a correlated series, and its error",
            "σ² = (g/N) var x, &nbsp; g = 1 + 2 Σ<sub>t≥1</sub> Γ(t)/Γ(0)",
            "Mean over the last stage of dynamics without its beginning: the first 100 ps where it is longer than"
            " that, else the first half. Successive samples are correlated: only one in g of N counts. There is no"
            " error bar with fewer than 10 independent samples.",
            "U. Wolff, Comput. Phys. Commun. 156, 143 (2004)",
            "docs/theory/statistics.md",
        ),
        Definition(
            "drift",
            "Drift of the total energy",
            "d(E<sub>total</sub>/N)/dt",
            "Slope of a least-squares line in a stage at constant energy (NVE), widened by the autocorrelation of"
            " what the line leaves over.",
            "U. Wolff, Comput. Phys. Commun. 156, 143 (2004)",
            "docs/theory/statistics.md",
        ),
    ],
)
