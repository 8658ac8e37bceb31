"""Tell how long a set of runs is stable: mean, median, survival curve, causes.

t_stab is the simulated time to the first violation of the guard's criteria; a run without a guard is checked by its
trajectory (bond stretch 0.5 Å, density 0.2 to 2 g/cm³). A run that did not fail is censored: it counts as ≥.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show_answer


def stability(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, all of one system; or a campaign.", metavar="RUN…")],
    horizon: Annotated[
        str, typer.Option(help="Tell the probability of being stable at this time.", metavar="TIME")
    ] = "1 ns",
    confidence: Annotated[
        float, typer.Option(help="Give the band and the interval of the median this level of confidence.", metavar="P")
    ] = 0.95,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the survival curve and the causes into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import liquids
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(liquids.stability)(runs, horizon=horizon, confidence=confidence)
    show_answer(answer, figure, csv, as_json)
