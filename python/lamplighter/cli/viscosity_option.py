"""The option `--viscosity`, of commands that correct diffusivities for the finite cell."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lamplighter.cli.completion import one_of
from lamplighter.errors import LamplighterError

Viscosity = Annotated[
    str,
    typer.Option(
        help="Correct diffusivities for the finite size of the cell (Yeh, Hummer) with this viscosity, mPa s, "
        "alone or with its standard error (1.2+-0.1); auto takes that of the run, where it wrote its pressure tensor.",
        metavar="ETA[+-ERROR]|auto|none",
        autocompletion=one_of("auto", "none"),
    ),
]


def parsed(text: str) -> float | tuple[float, float] | Literal["auto"] | None:
    """A number of mPa s, with its standard error where it has one, or a word.

    Raises:
        LamplighterError: it is neither.
    """
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    value, sign, error = text.replace("±", "+-").partition("+-")
    try:
        return (float(value), float(error)) if sign else float(value)
    except ValueError:
        raise LamplighterError(
            f"--viscosity must be a number of mPa s (with its standard error: 1.2+-0.1), auto or none, got {text!r}"
        ) from None
