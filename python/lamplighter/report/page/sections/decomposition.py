"""Errors inside molecules and between them, and of the forces that move, turn and deform them."""

from __future__ import annotations

from lamplighter.errors import LamplighterError
from lamplighter.observables.decomposition import Decomposition, PartErrors, decomposition_of_models
from lamplighter.report.decomposition_text import decomposition_as_json, draw_parts, part_rows
from lamplighter.report.drawing import new_figure
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, Table, Text, number
from lamplighter.report.page.section import Definition, ReportedRun, Section

_NUMBERS = {
    "inter": "force RMSE between molecules",
    "translational": "translational force RMSE",
    "rotational": "rotational force RMSE",
}


def make(run: ReportedRun) -> Content:
    """Nothing without labelled frames, or where these have no molecules.

    Raises LamplighterError: as `decomposition_of_models`, or as what gives the reference of lone molecules.
    """
    labelled = run.wishes.labelled
    if labelled is None:
        return Content()
    try:
        said = labelled.said(run.folder)
        molecules = labelled.molecules
    except LamplighterError:
        return Content()  # the section on errors says why; or it is a crystal, without molecules
    if molecules.largest == 1:
        return Content()
    found = decomposition_of_models(
        labelled.given,
        molecules,
        labelled.reference_of_molecules,
        labelled.lone_method,
        said.committees,
        said.molecules,
        labelled.group_key,
    )
    moved_by = found.results[run.driving(sum(not each.is_mean for each in found.results))]
    return Content(_numbers(moved_by), _blocks(found), data=decomposition_as_json(found), kept=found)


def _numbers(moved_by: PartErrors) -> list[Number]:
    made = []
    for part, name in _NUMBERS.items():
        if part in moved_by.forces:
            errors = moved_by.forces[part]
            share = f"{100.0 * errors.relative_rmse.value:.3g} % of the reference's standard deviation"
            made.append(number(name, errors.rmse, "molecular_forces", detail=f"{moved_by.name}; {share}"))
    return made


def _blocks(found: Decomposition) -> list[Block]:
    blocks: list[Block] = []
    if found.method:
        blocks.append(Text(f"Lone molecules of the reference: {found.method}."))
        blocks.append(_table(found, "energies", "RMSE of energies, meV/atom"))
    blocks.append(_table(found, "forces", "RMSE of forces, eV/Å"))
    panels = [("forces", "rmse", 1.0, "force RMSE / (eV/Å)", "RMSE of forces by part."),
              ("forces", "relative_rmse", 100.0, "force RMSE / %", "The same, relative to the reference's standard"
               " deviation of each part.")]  # fmt: skip
    if found.method:
        panels.append(("energies", "rmse", 1.0, "energy RMSE / (meV/atom)", "RMSE of energies by part."))
    for kind, value, factor, label, caption in panels:
        figure, (axis,) = new_figure()
        draw_parts(axis, found.results, kind, value, factor)
        axis.set(ylabel=label, ylim=(0.0, None))
        axis.tick_params(axis="x", labelsize="small")
        axis.legend(fontsize="small", frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1.0))
        blocks.append(Picture(f"parts_{kind}_{value}", caption, figure, "molecular_forces"))
    if found.notes:
        blocks.append(Notes(found.notes))
    return blocks


def _table(found: Decomposition, kind: str, caption: str) -> Table:
    head, *rows = part_rows(found, kind)
    return Table(
        f"parts_{kind}", f"{caption}, and relative to the reference's standard deviation (first row).", head, rows
    )


SECTION = Section(
    "decomposition",
    "Errors inside molecules and between them",
    "results",
    make,
    definitions=[
        Definition(
            "molecular_forces",
            "Forces inside molecules and between them",
            "F<sub>inter</sub> = F − F<sub>intra</sub>; f<sub>i</sub><sup>trans</sup> = (m<sub>i</sub>/M) F,"
            " f<sub>i</sub><sup>rot</sup> = m<sub>i</sub> (I<sup>−1</sup> T) × (r<sub>i</sub> − R), f<sup>vib</sup> ="
            " the rest",
            "Intra: each molecule of a frame alone in vacuum, at its geometry there; inter: what is left of the total."
            " Translational, rotational and vibrational: what moves, turns and deforms a molecule of mass M, centre R,"
            " force F, torque T and inertia I. What lies between molecules is small beside bonds and angles, and"
            " decides density and mobility.",
            "Magdău et al., npj Comput. Mater. 9, 146 (2023)",
            "docs/how_to/decomposition.md",
        )
    ],
)
