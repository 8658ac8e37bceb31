"""Fit a line to densities at several temperatures: thermal expansion.

The command takes the npt stages at constant temperature and pressure; of several in a row at one temperature the last
is production. `workflow: {thermal_expansion: …}` in a run file makes such stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show_answer


def expansion(
    runs: options.Runs,
    discard: options.Discard = "auto",
    stage: options.Stages = None,
    figure: Annotated[Path | None, typer.Option(help="Draw ρ(T) and the line into this file.", metavar="FILE")] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import equation_of_state
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(equation_of_state.expansion)(runs, discard=discard, stage=stage)
    show_answer(answer, figure, csv, as_json)
