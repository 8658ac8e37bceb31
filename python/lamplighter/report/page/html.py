"""The page: one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Iterable, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

import lamplighter
from lamplighter.report.page.assemble import Report
from lamplighter.report.page.comparison import Spread
from lamplighter.report.page.content import Block, Content, Number, Picture, View
from lamplighter.report.page.inline_svg import inline_svg
from lamplighter.report.page.section import Definition, Section
from lamplighter.report.text import format_with_error

_TEMPLATES = "templates"
_SYMBOLS = {
    "held": "✓",
    "failed": "✕",
    "ended": "■",
    "broken off": "■",
    "running": "▶",
    "scanned": "✓",
    "not known": "?",
}


def page(report: Report, title: str) -> str:
    """The report as HTML. Its own security policy forbids it to fetch anything, and to run any script but its own."""
    environment = _environment()
    environment.filters["symbol"] = lambda state: _SYMBOLS[state]
    environment.filters["cell"] = _cell
    environment.filters["mean_cell"] = lambda spread: "–" if spread is None else _mean(spread)
    environment.filters["spread_cell"] = lambda spread: "–" if spread is None else f"{spread.spread:.2g}"
    environment.filters["numbers"] = lambda together: [each for _, content in together for each in content.numbers]
    environment.filters["definition_of"] = lambda found, name: next(
        numbers[name].definition for numbers in found if name in numbers
    )
    script = _template("viewer.js") + _template("page.js")
    text = environment.get_template("report.html.j2").render(
        title=title,
        report=report,
        definitions=_definitions(report),
        style=Markup(_template("report.css")),
        script=Markup(script),
        script_digest=_digest(script),
        version=lamplighter.__version__,
    )
    return text.lstrip() + "\n"


def page_of_cards(title: str, brand: str, cards: Sequence[tuple[str, Content]]) -> str:
    """A page of titled cards as HTML, in the look of the report; it runs no script but for views of structures."""
    template = _environment().get_template("cards.html.j2")
    has_views = any(isinstance(block, View) for _, content in cards for block in content.blocks)
    script = _template("viewer.js") if has_views else ""
    text = template.render(
        title=title,
        brand=brand,
        cards=cards,
        style=Markup(_template("report.css")),
        script=Markup(script),
        script_digest=_digest(script),
        version=lamplighter.__version__,
    )
    return text.lstrip() + "\n"


def _digest(script: str) -> str:
    """By which the page's security policy knows its own script."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _environment() -> jinja2.Environment:
    """What the templates of all pages share."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["anchor"] = anchor
    environment.filters["batches"] = _batches
    environment.globals["svg"] = _Pictures()
    return environment


def anchor(text: str) -> str:
    """A text as the name of an element: letters and digits, else `-`."""
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def _batches(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks one by one, but pictures that follow each other together."""
    made: list[list[Block]] = []
    for block in blocks:
        if made and isinstance(block, Picture) and isinstance(made[-1][0], Picture):
            made[-1].append(block)
        else:
            made.append([block])
    return made


def _cell(number: Number | None) -> str:
    """A number in the table of runs, whose head has the unit."""
    if number is None or number.value is None:
        return "–"
    return number.text.removesuffix(number.unit).strip() + (" †" if number.caution else "")


def _mean(spread: Spread) -> str:
    return format_with_error(spread.mean.value, spread.mean.standard_error, "").strip()


class _Pictures:
    """Pictures as SVG, each with a name of its own."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, picture: Picture) -> Markup:
        self._n += 1
        return Markup(inline_svg(picture.figure, f"{picture.name}-{self._n}", picture.caption))


def _definitions(report: Report) -> list[Definition]:
    """Those of the sections that are on the page, each once."""
    found: dict[str, Definition] = {}
    for section, content in _all(report):
        if section.definitions and (content.numbers or content.blocks):
            found.update({each.key: each for each in section.definitions})
    return list(found.values())


def _all(report: Report) -> Iterable[tuple[Section, Content]]:
    for part in report.runs:
        yield from part.sections
    yield from report.together


def blocks_of(report: Report) -> Iterable[tuple[str, Block]]:
    """All blocks with the label of their run; empty: of the runs together."""
    for part in report.runs:
        for _, content in part.sections:
            yield from ((part.run.label, block) for block in content.blocks)
    for _, content in report.together:
        yield from (("", block) for block in content.blocks)


def _template(name: str) -> Any:
    return (importlib.resources.files(__package__) / _TEMPLATES / name).read_text(encoding="utf-8")
