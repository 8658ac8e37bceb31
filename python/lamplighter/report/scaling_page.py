"""How dynamics scale on a machine, as a page in the look of the report."""

from __future__ import annotations

from pathlib import Path

from lamplighter.observables.scaling import Scaling
from lamplighter.report import scaling_text
from lamplighter.report.drawing import own_settings
from lamplighter.report.page.content import Content, Facts, Notes, Picture, Table, Text
from lamplighter.report.page.html import page_of_cards
from lamplighter.report.scaling_text import Rows


def scaling_page(scaling: Scaling) -> str:
    """The page as HTML: it is one file that fetches nothing."""
    with own_settings():
        cards = [
            ("What to choose", Content(blocks=[
                Facts([(each.what, f"{each.choice} – {each.why}") for each in scaling.advice]),
            ])),
            ("What limits", Content(blocks=[Text(line) for line in scaling_text.limits(scaling)])),
            ("The machine", Content(blocks=[Text(scaling_text.machine_in_words(scaling))])),
            ("Times", Content(blocks=[
                Picture("strong", "Time of a step; dashed: perfect scaling.", scaling_text.strong_figure(scaling)),
                Picture("weak", "Efficiency at the same number of atoms a rank.", scaling_text.weak_figure(scaling)),
                _table("times", "Each measurement, ± one standard error.", scaling_text.times(scaling)),
            ])),
            ("Parts of a step", Content(blocks=[
                Picture("breakdown", "LAMMPS' timers.", scaling_text.breakdown_figure(scaling)),
                _table("parts", "Milliseconds a step.", scaling_text.parts(scaling)),
                _table("added", "What guard, committee, output and other skins add.", scaling_text.added(scaling)),
            ])),
            ("Fitted terms", Content(blocks=[
                Text("A step takes a·(atoms/rank) + b·ghosts + c·messages + d."),
                _table("terms", "± one standard error.", scaling_text.terms(scaling)),
                Picture("residuals", "What the fit leaves.", scaling_text.residual_figure(scaling)),
            ])),
            ("On paper", Content(blocks=[
                Text(f"From the fitted terms, for {scaling_text.network_in_words(scaling)}."),
                Picture("on_paper", "Efficiency; the line is one half.", scaling_text.on_paper_figure(scaling)),
                _table("on_paper", "± is the fit's alone.", scaling_text.on_paper(scaling)),
            ])),
        ]  # fmt: skip
        said = [*(f"Left out: {name}: {why}" for name, why in scaling.left_out), *scaling.notes]
        if said:
            cards.append(("Notes", Content(blocks=[Notes(said)])))
        return page_of_cards(f"{Path(scaling.source).name}: scaling", "Lamplighter bench", cards)


def _table(name: str, caption: str, made: Rows) -> Table:
    head, body = made
    return Table(name, caption, head, body)
