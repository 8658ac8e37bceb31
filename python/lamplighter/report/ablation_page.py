"""An ablation as a page in the look of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamplighter.report import ablation_text
from lamplighter.report.drawing import own_settings
from lamplighter.report.page.content import Block, Content, Facts, Notes, Picture, Table
from lamplighter.report.page.html import page_of_cards

if TYPE_CHECKING:
    from lamplighter.learning.ablation import AblationResult


def ablation_page(result: AblationResult) -> str:
    """The page as HTML: it is one file that fetches nothing."""
    with own_settings():
        cards = [("What was compared", _compared(result))]
        for quantity, figure in (("forces", ablation_text.forces_figure), ("energy", ablation_text.energy_figure)):
            head, body = ablation_text.matrix_rows(result, quantity)
            unit = ablation_text.UNITS[quantity]
            caption = f"RMSE, {unit}: means over models ± their standard deviation."
            blocks: list[Block] = [
                Picture(quantity, f"RMSE of {quantity}; darker: larger than the best of a set.", figure(result)),
                Table(quantity, caption, head, body),
                Notes(ablation_text.difference_lines(result, quantity)),
            ]
            cards.append((f"Errors of {quantity}", Content(blocks=blocks)))
        if result.liquids:
            cards.append(("The models' liquids", _liquids(result)))
        return page_of_cards(f"{result.folder.name}: ablation", "Lamplighter learn", cards)


def _liquids(result: AblationResult) -> Content:
    head, body = ablation_text.liquid_rows(result.liquids)
    caption = (
        "Means over the models that reached the horizon ± their standard deviation; of the reference over its runs. "
        "Errors of forces are those of the same models along the runs that they explored with."
    )
    return Content(blocks=[Table("liquids", caption, head, body), Notes(ablation_text.liquid_lines(result))])


def _compared(result: AblationResult) -> Content:
    facts = [(axis, ", ".join(labels)) for axis, labels in result.axes.items()]
    notes = [f"not done yet: {', '.join(result.missing)}"] if result.missing else []
    notes += [f"{name} failed: {why}" for name, why in result.failed.items()]
    notes += [
        "two points differ where Welch's t-test over their models, with Holm's correction, has p below 0.05",
        "models of one point differ in their seed; what is found of an architecture holds for these settings of it",
        *result.notes,
    ]
    return Content(blocks=[Facts(facts), Notes(notes)])
