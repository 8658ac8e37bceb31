"""How long the run held, and how long several do."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.observables.lifetime import RunLifetime
from lamplighter.observables.stability import stability_of_lifetimes
from lamplighter.report.drawing import new_figure
from lamplighter.report.events_text import format_ending
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, Text, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.report.stability_text import draw_causes, draw_survival

_SOURCES = {
    "guard": "from the guard, which checked during the run",
    "trajectory": "from the frames of the trajectory, known to their interval",
    "LAMMPS": "from LAMMPS' error",
}


def make(run: ReportedRun) -> Content:
    """Raises LamplighterError: as `lifetime_of_run`."""
    life = run.lifetime
    detail = f"ended by: {life.cause}" if life.failed else "censored: no failure was seen, so it is a lower bound"
    found = Number(
        "t_stab", life.time_ps, float("nan"), "ps", "t_stab", _SOURCES[life.source], detail,
        bound="" if life.failed else "≥", exact=True,
    )  # fmt: skip
    blocks: list[Block] = [Text(" ".join(format_ending(run)))]
    if life.notes:
        blocks.append(Notes(life.notes))
    return Content([found], blocks, data=life, kept=life)


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """Mean, survival curve and failures by cause."""
    if len(made) < 2:
        return Content()
    lives: list[RunLifetime] = [each.content.kept for each in made]
    result = stability_of_lifetimes(lives, wishes.observables.horizon_ps)
    censored = f"{result.n_censored} of {len(lives)} runs did not fail: a lower bound" if result.n_censored else ""
    mean = number("mean t_stab", result.mean, "t_stab", detail=censored or f"over {len(lives)} runs")
    mean = Number(**{**mean.__dict__, "bound": "≥" if result.n_censored else ""})
    at, low, high = result.stable_at_horizon
    longest = max(life.time_ps for life in lives)
    failures, percent = len(lives) - result.n_censored, 100.0 * result.curve.confidence_level
    chance = Number(
        f"probability of being stable at {result.horizon_ps:g} ps", at, float("nan"), "", "survival",
        result.curve.method,
        f"{percent:g} % band {low:.2f} to {high:.2f}" if failures else "no failure was seen",
        bound="≤" if longest < result.horizon_ps * (1.0 - 1e-9) else "", caution="; ".join(result.notes), exact=True,
    )  # fmt: skip
    pictures: list[Block] = []
    figure, (axis,) = new_figure()
    draw_survival(axis, result)
    pictures.append(Picture("survival", "Probability that a run has not failed by time t.", figure, "survival"))
    if failures:
        figure, (axis,) = new_figure()
        draw_causes(axis, result)
        pictures.append(Picture("causes", "What the runs failed of.", figure, "t_stab"))
    return Content([mean, chance], pictures, data=result)


SECTION = Section(
    "stability",
    "Stability",
    "results",
    make,
    together,
    promises=[("t_stab", "t_stab")],
    definitions=[
        Definition(
            "t_stab",
            "Trajectory stability, t<sub>stab</sub>",
            "t<sub>stab</sub> = min { t : r<sub>b</sub>(t) − r<sub>b,0</sub> &gt; 0.5 Å for a bond b, or ρ(t) ∉ [0.2,"
            " 2.0] g/cm³ }",
            "Simulated time to the first failure: one of the initial bonds is longer than the mean of its kind by"
            " more than 0.5 Å, or (at constant pressure) the density leaves its bounds; or LAMMPS itself gives up."
            " Where the run's own guard watched something else, that counts. A run without a failure is censored:"
            " t_stab is at least its length, and a mean over such runs is a lower bound.",
            "Niblett, Kourtis, Magdău, Grey, Csányi, Transferability of datasets between machine-learning interaction"
            " potentials, section 3.2",
            "docs/theory/stability.md",
        ),
        Definition(
            "survival",
            "Survival probability, S(t)",
            "S(t) = ∏<sub>t<sub>i</sub> ≤ t</sub> (1 − d<sub>i</sub> / n<sub>i</sub>)",
            "Probability that a run of this kind has not failed by time t: d<sub>i</sub> runs failed at"
            " t<sub>i</sub>, of n<sub>i</sub> that had come so far. Runs that ended without a failure count as long"
            " as they ran.",
            "E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53, 457 (1958)",
            "docs/theory/stability.md",
        ),
    ],
)
