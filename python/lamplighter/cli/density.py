"""Compute the density of runs at constant pressure, and the compressibility.

Each mean has an error. With --reference the distribution P(ρ) is compared with that of other runs (Kullback-Leibler).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show_answer


def density(
    runs: options.Runs,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare P(ρ) with that of this run folder, of all that match a pattern, or of a campaign. The option "
            "can be repeated.",
            metavar="RUN",
        ),
    ] = None,
    discard: options.Discard = "auto",
    stage: Annotated[
        str | None,
        typer.Option(help="Take the stage of this name or index; the default is the last npt stage.", metavar="STAGE"),
    ] = None,
    bin_width: Annotated[
        float | None,
        typer.Option(
            "--bin", help="Give the bins of P(ρ) this width, g/cm³; the default is Scott's rule.", metavar="W"
        ),
    ] = None,
    pseudo_count: Annotated[
        float, typer.Option(help="Add this number of counts to each bin of P(ρ), so that none is empty.", metavar="N")
    ] = 0.5,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw the series, P(ρ) and the error by length of blocks into this file.", metavar="FILE"),
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import liquids
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.cli.run_folders import references

    answer = in_words_of_commands(liquids.density)(
        runs,
        reference=references(reference),
        discard=discard,
        stage=stage,
        bin_width=bin_width,
        pseudo_count=pseudo_count,
    )
    show_answer(answer, figure, csv, as_json)
