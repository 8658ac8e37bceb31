"""Self-diffusivity of each molecular species at constant volume."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamplighter.analysis.diffusivity import GreenKubo
from lamplighter.observables.diffusivity import (
    METHOD,
    TO_1E6_CM2_S,
    DiffusivityOfRuns,
    SpeciesDiffusivity,
    TrajectoryDiffusivity,
    diffusivity_of_run,
    diffusivity_of_runs,
)
from lamplighter.report.diffusivity_text import (
    UNIT,
    diffusivity_as_json,
    draw_displacements,
    draw_integrals,
    draw_slope_one,
)
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes


def make(run: ReportedRun) -> Content:
    """Raises LamplighterError: as `diffusivity_of_run`, for example of a stage that is too short."""
    found = diffusivity_of_run(run, None, run.wishes.observables.diffusivity)
    numbers: list[Number] = []
    for species in found.species:
        numbers += [*_numbers(species), *_infinite(found, species)]
    blocks: list[Block] = []
    figure, (axis,) = new_figure()
    draw_displacements(axis, [found])
    slopes = ", ".join(f"{one.name} t^{one.einstein.slope:.2f}" for one in found.species)
    caption = f"Mean squared displacement of centres of mass. It grows like {slopes}; diffusion is t^1."
    blocks.append(Picture("msd", caption, figure, "diffusivity"))
    if any(one.green_kubo for one in found.species):
        figure, (axis,) = new_figure()
        draw_integrals(axis, [found])
        blocks.append(Picture("green_kubo", "Running integral of the velocity autocorrelation.", figure, "green_kubo"))
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(numbers, blocks, data=diffusivity_as_json(DiffusivityOfRuns([found], {})), kept=found)


def _numbers(species: SpeciesDiffusivity) -> list[Number]:
    made = species.einstein
    detail = f"{made.n_molecules} molecules, {made.n_blocks} overlapping blocks, {made.n_independent} independent ones"
    if math.isfinite(made.protocol_error):
        detail += f"; error as in the protocol (too small) ± {made.protocol_error * TO_1E6_CM2_S:.2g}"
    caution = "" if made.diffusive else f"not yet diffusive: the displacement grows like t^{made.slope:.2f}"
    note = "" if math.isfinite(made.standard_error) else f"{made.n_independent} independent blocks, fewer than 5"
    found = [
        Number(
            f"diffusivity of {species.name}",
            made.value * TO_1E6_CM2_S,
            made.standard_error * TO_1E6_CM2_S,
            UNIT,
            "diffusivity",
            METHOD,
            detail,
            note,
            caution=caution,
        )
    ]
    if species.green_kubo is not None:
        found.append(_from_velocities(species.name, species.green_kubo))
    return found


def _infinite(found: TrajectoryDiffusivity, species: SpeciesDiffusivity) -> list[Number]:
    made = found.infinite(species)
    if made is None:
        return []
    value, error = made[0] * TO_1E6_CM2_S, made[1] * TO_1E6_CM2_S
    name, detail = f"diffusivity of {species.name}, infinite box", f"viscosity {found.viscosity:.3g} mPa s"
    note = "" if math.isfinite(error) else f"{species.einstein.n_independent} independent blocks, fewer than 5"
    return [Number(name, value, error, UNIT, "infinite_box", METHOD, detail, note)]


def _from_velocities(name: str, made: GreenKubo) -> Number:
    note = "" if math.isfinite(made.standard_error) else f"{made.n_pieces} pieces, fewer than 5"
    value, error = made.value * TO_1E6_CM2_S, made.standard_error * TO_1E6_CM2_S
    method = "Green-Kubo; error from pieces that do not overlap"
    detail = f"integral to {made.lags_ps[-1]:.4g} ps, {made.n_pieces} pieces"
    return Number(f"diffusivity of {name}, from velocities", value, error, UNIT, "green_kubo", method, detail, note)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """The displacement of all molecules of each run."""
    if len(made) < 2:
        return Content()
    found: list[TrajectoryDiffusivity] = [each.content.kept for each in made]
    result = diffusivity_of_runs(found)
    figure, (axis,) = new_figure()
    for place, (each, one) in enumerate(zip(made, found, strict=True)):
        msd = one.mixture
        colour = PALETTE[place % len(PALETTE)]
        axis.loglog(msd.msd_lags_ps[1:], msd.msd[1:], color=colour, label=each.run.label.replace("$", r"\$"))
    draw_slope_one(axis, found[0].mixture)
    axis.legend(fontsize="small", frameon=False)
    caption = "Mean squared displacement of all molecules of each run."
    return Content(blocks=[Picture("all_msd", caption, figure, "diffusivity")], data=diffusivity_as_json(result))


SECTION = Section(
    "diffusivity",
    "Diffusivity",
    "results",
    make,
    together,
    promises=[("diffusivity", "diffusivity")],
    definitions=[
        Definition(
            "diffusivity",
            "Self-diffusivity, D",
            "D<sub>μ</sub> = ⟨|r<sub>μ</sub>(t) − r<sub>μ</sub>(0)|²⟩ / 6t",
            "From displacements of molecular centres of mass at constant volume, without the motion of the total"
            " centre; the slope of a line fitted to overlapping blocks without their ballistic beginning. The error"
            " comes from blocks that do not overlap. Where log MSD against log t has not the slope 1, motion is not"
            " yet diffusive. “All molecules” is the average in which each molecule counts once. Not corrected for the"
            " finite box.",
            "Niblett et al.; M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7",
            "docs/theory/diffusivity.md",
        ),
        Definition(
            "infinite_box",
            "Self-diffusivity in an infinite box",
            "D<sub>∞</sub> = D + 2.837297 k<sub>B</sub>T / 6πηL",
            "D of the periodic box, corrected for the flow that its images hinder, with the shear viscosity of the same"
            " run; the error of the viscosity is part of it.",
            "I.-C. Yeh, G. Hummer, J. Phys. Chem. B 108, 15873 (2004)",
            "docs/theory/diffusivity.md",
        ),
        Definition(
            "green_kubo",
            "Self-diffusivity from velocities",
            "D = ⅓ ∫<sub>0</sub><sup>∞</sup> ⟨v(0) · v(t)⟩ dt",
            "A check of the other: the integral of the velocity autocorrelation of centres of mass, to a finite time.",
            "M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7",
            "docs/theory/diffusivity.md",
        ),
    ],
)
