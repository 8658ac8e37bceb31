"""Train models, or go on with one, by the program of their own package.

That is mace_run_train for MACE, nequip-train for NequIP and Allegro, sevenn train for SevenNet, dp train for DeePMD,
and gap_fit for GAP. The train file names data, seeds and settings; each seed gives a model of a committee. A command
that was broken off goes on when it is repeated. After each training it is checked that what was asked for was done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show_answer


def train(
    train_file: Annotated[
        Path, typer.Argument(help="Train file, as docs/how_to/train.md describes it.", metavar="TRAIN.yaml")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this folder; the default is the file's name without .yaml."),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Put the start model on your list of trusted files.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the learning curves into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import train as training
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(training.train)(train_file, output, trust=trust)
    show_answer(answer, figure=figure, csv=csv, as_json=as_json)
