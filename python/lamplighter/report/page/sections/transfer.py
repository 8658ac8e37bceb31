"""How the models hold for each composition of the labelled frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamplighter.analysis.model_errors import LabelArrays
from lamplighter.errors import LamplighterError, StructureError
from lamplighter.observables.transfer import Transfer, compositions_of, only_named, rows_of, transfer_of_models
from lamplighter.report.page.content import Block, Content, Notes, Picture, Table, Text
from lamplighter.report.page.labelled import Labelled
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.report.transfer_text import (
    format_determination,
    mae_rows,
    matrix_figure,
    species_rows,
    transfer_as_json,
)

MOST_COMPOSITIONS = 12
MOST_MODELS = 6
"""Columns of the map; the tables have all models."""

_MATRICES = (("energy_mae", "Energy MAE, meV/atom"), ("force_mae", "Force MAE, meV/Å"))


def make(run: ReportedRun) -> Content:
    """Nothing without labelled frames, or where all have one composition."""
    labelled = run.wishes.labelled
    if labelled is None:
        return Content()
    try:
        rows = rows_of(labelled.said(run.folder).committees)
    except LamplighterError:
        return Content()  # the section on errors says why
    found = _transfer(labelled, rows)
    if found is None:
        return Content()
    driving = run.driving(len(rows) - 1 if len(rows) > 1 else 1)
    return Content(blocks=_blocks(found, "transfer"), data=transfer_as_json(found), kept=rows[driving][1])


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """What moved the atoms of each run, compared by composition."""
    if len(made) < 2 or wishes.labelled is None:
        return Content()
    found = _transfer(wishes.labelled, [(each.run.label, each.content.kept) for each in made])
    if found is None:
        return Content()
    return Content(blocks=_blocks(found, "all_transfer"), data=transfer_as_json(found))


def _transfer(labelled: Labelled, rows: Sequence[tuple[str, LabelArrays]]) -> Transfer | None:
    """None: the frames have one composition."""
    given, names = labelled.given, dict(labelled.names)
    try:
        made_of = compositions_of(given.frames, "molecules", names)
    except StructureError:  # a crystal has no molecules
        made_of, names = compositions_of(given.frames, "elements"), {}
    kept, notes = np.arange(len(given)), list[str]()
    if names:
        kept, made_of, notes = only_named(made_of, list(names.values()))
    if len(set(made_of.names)) < 2:
        return None
    groups = None if not labelled.group_key else given.info(labelled.group_key)
    found = transfer_of_models(
        [given.labels[k] for k in kept],
        made_of,
        [(name, said.of_frames(kept)) for name, said in rows],
        labelled.trained,
        MOST_COMPOSITIONS,
        groups=None if groups is None else [groups[k] for k in kept],
    )
    found.notes.extend(notes)
    return found


def _blocks(found: Transfer, name: str) -> list[Block]:
    shown = list(range(len(found.models)))[-MOST_MODELS:]
    head = ("composition", "frames", *found.models)
    framed = "; framed where it is among the training data" if found.trained_known else ""
    starred = "; * among the training data" if found.trained_known else ""
    blocks: list[Block] = []
    for quantity, title in _MATRICES:
        caption = f"{title}, by composition (number of frames) and model{framed}."
        blocks.append(Picture(f"{name}_{quantity}", caption, matrix_figure(found, quantity, shown), "transfer"))
    for quantity, title in _MATRICES:
        rows = mae_rows(found, getattr(found, quantity))
        blocks.append(Table(f"{name}_{quantity}", f"{title}{starred}.", head, rows))
    rule = [line.strip() for line in format_determination(found.determination)]
    blocks.append(Text(f"What the energies of these frames fix: {'; '.join(rule)}."))
    if found.determination.rank:
        caption = "Energies of the species by least squares, eV, and the rms residual, meV."
        blocks.append(
            Table(
                f"{name}_species",
                caption,
                ("source", *found.determination.species, "residual"),
                species_rows(found),
            )
        )
    if found.notes:
        blocks.append(Notes(found.notes))
    return blocks


SECTION = Section(
    "transfer",
    "Errors by composition",
    "results",
    make,
    together,
    definitions=[
        Definition(
            "transfer",
            "Compositional transferability",
            "MAE<sub>c</sub> = ⟨|x − x<sub>ref</sub>|⟩ over the frames of composition c",
            "Models against compositions, told apart by their proportions of molecules (of elements, where there are no"
            " molecules). With N species and M constraints at least N − M different compositions are needed before the"
            " energy of each species is fixed; what is not fixed may be wrong without any error on these frames.",
            "Goodwin et al.: Transferability and accuracy of ionic liquid simulations",
            "docs/how_to/transfer.md",
        )
    ],
)
