"""Arguments of an ASE calculator that is named as a reference method."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Annotated, Any

import typer

Option = Annotated[
    list[str] | None,
    typer.Option(help="Give the class of the method this argument. The option can be repeated.", metavar="KEY=VALUE"),
]


def options_of(given: Iterable[str] | None) -> dict[str, Any]:
    """Texts `key=value`; values are Python literals, anything else is text.

    Raises:
        LamplighterError: one has no `=`, or no name before it.
    """
    return dict(map(_option, given or ()))


def _option(text: str) -> tuple[str, Any]:
    from lamplighter.errors import LamplighterError

    key, sign, value = text.partition("=")
    if not sign or not key.isidentifier():
        raise LamplighterError(f"--option {text!r} must be key=value, e.g. method=GFN2-xTB")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value
