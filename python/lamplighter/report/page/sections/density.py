"""The density at constant pressure: mean, P(ρ), blocks, compressibility."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.observables.density import RunDensity, density_of_run, density_together
from lamplighter.report.density_text import density_as_json, draw_blocks, draw_distribution, draw_series
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.page.content import Block, Content, Notes, Picture, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes


def make(run: ReportedRun) -> Content:
    """Raises LamplighterError: as `density_of_run`."""
    wanted = run.wishes.observables
    found = density_of_run(run, wanted.discard_ps)
    result = density_together([found], bin_width=wanted.bin_width)
    where = f"stage {found.stage}, {found.discarded}"
    if not found.mean.note:
        where = f"{found.mean.n_effective:.0f} independent of {found.mean.n_samples} samples; {where}"
    numbers = [
        number("density", found.mean, "density", detail=where),
        number("compressibility", found.compressibility, "compressibility", unit="×10⁻¹⁰ 1/Pa", factor=1e10),
    ]
    blocks: list[Block] = []
    figure, (axis,) = new_figure()
    draw_series(axis, [found], [run.label])
    blocks.append(Picture("density_series", "Density against time; production begins at the line.", figure, "density"))
    figure, (axis,) = new_figure()
    draw_distribution(axis, result)
    blocks.append(Picture("density_distribution", "Distribution of the density in production.", figure, "density"))
    figure, (axis,) = new_figure()
    draw_blocks(axis, [found])
    caption = "Error of the mean against the length of blocks; it levels off where blocks are independent."
    blocks.append(Picture("density_blocks", caption, figure, "blocks"))
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(numbers, blocks, data=density_as_json(result), kept=found)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """P(ρ) and the series of all runs, one over the other."""
    if len(made) < 2:
        return Content()
    runs: list[RunDensity] = [each.content.kept for each in made]
    labels = [each.run.label for each in made]
    result = density_together(runs, bin_width=wishes.observables.bin_width)
    detail = f"over {len(runs)} runs; where this error is much smaller than that from their spread, the runs differ"
    numbers = [number("mean density, error within runs alone", result.within, "density", detail=detail)]
    blocks: list[Block] = []
    figure, (axis,) = new_figure()
    draw_series(axis, runs, labels)
    blocks.append(
        Picture("all_density_series", "Density of each run; production begins at the line.", figure, "density")
    )
    figure, (axis,) = new_figure()
    for place, run in enumerate(runs):
        one = density_together([run], bin_width=float(result.edges[1] - result.edges[0]))
        width = float(one.edges[1] - one.edges[0])
        axis.stairs(one.probability / width, one.edges, color=PALETTE[place % len(PALETTE)], label=labels[place])
    axis.set(xlabel="ρ / (g/cm³)", ylabel="P(ρ) / (cm³/g)")
    blocks.append(Picture("all_density_distributions", "Distribution of the density of each run.", figure, "density"))
    if result.notes:
        blocks.append(Notes(result.notes))
    return Content(numbers, blocks, data=density_as_json(result))


SECTION = Section(
    "density",
    "Density",
    "results",
    make,
    together,
    promises=[("density", "density"), ("compressibility", "compressibility")],
    definitions=[
        Definition(
            "density",
            "Density, ρ and P(ρ)",
            "ρ = Σ<sub>i</sub> m<sub>i</sub> / V",
            "Mean of the instantaneous density in the last stage at constant pressure, in production: without the"
            " first 100 ps (at most half of the stage; nothing where the stage goes on at the conditions"
            " of the one before it), unless a time was given. A note says where the density still drifts by then"
            " (MSER-5; K. P. White Jr., Simulation 69, 323 (1997)). The error accounts for"
            " autocorrelation. P(ρ) is the histogram of production, half a count added to each bin.",
            "Niblett et al., section 3.2; U. Wolff, Comput. Phys. Commun. 156, 143 (2004)",
            "docs/theory/density.md",
        ),
        Definition(
            "compressibility",
            "Isothermal compressibility, κ<sub>T</sub>",
            "κ<sub>T</sub> = ⟨δV²⟩ / (k<sub>B</sub> T ⟨V⟩)",
            "From the fluctuations of the volume at constant pressure, mended for the finite number of independent"
            " samples; the error is that of the mean of δV².",
            "M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.5",
            "docs/theory/density.md",
        ),
        Definition(
            "blocks",
            "Block averaging",
            "σ² = c<sub>0</sub> / (n − 1)",
            "Error of the mean as if the means of n blocks were independent, c<sub>0</sub> their variance; too small"
            " as long as blocks are shorter than the correlation time.",
            "H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91, 461 (1989)",
            "docs/theory/density.md",
        ),
    ],
)
