"""Compute the shear viscosity of runs at constant volume (Green-Kubo).

A run writes what is needed where its run file asks for it: `output: {pressure_tensor: 5 fs}`.

The pressure tensor is cut into pieces. The mean of their running integrals is fitted up to the time at which they
scatter by 40 % (time decomposition of Zhang, Otani and Maginn). The error bar comes from drawing the pieces anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show_answer


def viscosity(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one system, or a campaign.", metavar="RUN…")],
    discard: options.Discard = "auto",
    stage: Annotated[
        str | None,
        typer.Option(
            help="Take the stage of this name or index of a run; the default is the last nvt or nve stage.",
            metavar="STAGE",
        ),
    ] = None,
    pieces: Annotated[
        int | None,
        typer.Option(
            help="Cut the pressure tensor into this number of pieces; the default is 20 to 200, by its relaxation.",
            metavar="NUMBER",
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the running integrals into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import transport
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(transport.viscosity)(runs, discard=discard, stage=stage, pieces=pieces)
    show_answer(answer, figure, csv, as_json)
