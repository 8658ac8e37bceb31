"""Errors of the run's models against reference labels."""

from __future__ import annotations

import math

from lamplighter.observables.model_errors import ModelErrors, ModelResult, errors_of_models
from lamplighter.report.drawing import new_figure
from lamplighter.report.model_errors_text import (
    MODEL_HEAD,
    QUANTITY_HEAD,
    STRESS_COMPONENTS,
    description_lines,
    draw_energies,
    draw_forces,
    draw_stresses,
    errors_as_json,
    model_rows,
    quantity_rows,
)
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, Table, Text, number
from lamplighter.report.page.section import Definition, ReportedRun, Section
from lamplighter.report.text import format_with_error

_WITHOUT = "no frames with reference labels were given (--labelled FRAMES)"


def make(run: ReportedRun) -> Content:
    """Without labelled frames, that is what is said. Raises LamplighterError: the models cannot be evaluated here."""
    labelled = run.wishes.labelled
    if labelled is None:
        run.require_dynamics()  # the page of a volume scan says no more than it has to
        return Content([Number("force RMSE", None, math.nan, "", "model_errors", note=_WITHOUT)])
    found = errors_of_models(labelled.given, labelled.said(run.folder).frames, group_key=labelled.group_key)
    moved_by = found.results[run.driving(sum(not each.is_mean for each in found.results))]
    blocks: list[Block] = [
        Text("; ".join(description_lines(found)) + "."),
        Table("model_errors", "Errors of each model.", MODEL_HEAD, model_rows(found)),
        Table("errors_of_quantities", f"Errors of {moved_by.name}.", QUANTITY_HEAD, quantity_rows(moved_by.table)),
        *_seeds(found),
        *_pictures(found, moved_by),
    ]
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(_numbers(found, moved_by), blocks, data=errors_as_json(found), kept=found)


def _numbers(found: ModelErrors, moved_by: ModelResult) -> list[Number]:
    table = moved_by.table
    made = [("energy RMSE", table.energy), ("force RMSE", table.forces)]
    if table.stress is not None:
        made.append(("stress RMSE", table.stress))
    n_frames = len(found.reference)
    groups = "" if found.n_groups == n_frames else f" in {found.n_groups} groups"
    detail = f"{moved_by.name} against {found.path.name}, {n_frames} frames{groups}"
    details = {"stress RMSE": f"{detail}; {STRESS_COMPONENTS}"}
    numbers = [number(name, each.rmse, "model_errors", detail=details.get(name, detail)) for name, each in made]
    if table.pressure is not None:
        what = f"{detail}; −tr σ/3, without the atoms' motion"
        numbers.append(number("pressure, mean error", table.pressure.mean_error, "model_errors", detail=what))
    return numbers


def _seeds(found: ModelErrors) -> list[Block]:
    blocks: list[Block] = []
    for spreads in found.seeds.values():
        made = (
            f"{name} {format_with_error(each.spread.value, each.spread.standard_error, each.spread.unit)}"
            for name, each in spreads.items()
        )
        n = next(iter(spreads.values())).n
        blocks.append(Text(f"Standard deviation of the RMSE over the {n} models: {', '.join(made)}."))
    return blocks


def _pictures(found: ModelErrors, moved_by: ModelResult) -> list[Block]:
    panels = [
        ("parity_energy", draw_energies, "Energies without Σe, the elements' energies by least squares"),
        ("parity_forces", draw_forces, "Force components"),
    ]
    if moved_by.table.stress is not None:
        panels.append(("parity_stress", draw_stresses, "Stresses"))
    blocks: list[Block] = []
    for name, draw, what in panels:
        figure, (axis,) = new_figure()
        draw(axis, found, moved_by)
        caption = f"{what}, predicted by {moved_by.name} against the reference."
        blocks.append(Picture(name, caption, figure, "model_errors"))
    return blocks


SECTION = Section(
    "model_errors",
    "Errors of the models",
    "results",
    make,
    promises=[("force RMSE", "model_errors")],
    definitions=[
        Definition(
            "model_errors",
            "RMSE and MAE against reference labels",
            "RMSE = √⟨(x − x<sub>ref</sub>)²⟩, MAE = ⟨|x − x<sub>ref</sub>|⟩,"
            " RMSE<sub>σ</sub> = √(1/(6N) Σ<sub>n</sub> Σ<sub>α≤β</sub> (σ − σ<sub>ref</sub>)²)",
            "Energies per atom over frames, forces over all components of all atoms, stresses over frames and the six"
            " α ≤ β. Key numbers are those of what moved the atoms: the first model, or the committee's mean. Errors by"
            " bootstrap over frames, or over groups of frames that depend on each other. Relative: over the standard"
            " deviation of the reference; of energies after Σe is taken off.",
            "Wong, Yang, arXiv:2603.10159 (stress); B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap"
            " (1993)",
            "docs/how_to/model_errors.md",
        )
    ],
)
