"""Let models learn: train, explore, label what they do not know, train again.

The study file names training data and trainer, a run file to explore with, and who labels. Each generation trains a
committee, runs it from several starts, labels the frame of each run that its models disagree about, and adds these to
the data. A command that was broken off goes on when it is repeated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter import exit_status
from lamplighter.cli import options
from lamplighter.cli.output import show_answer


def learn(
    study: Annotated[
        Path, typer.Argument(help="Study file, as docs/how_to/learn.md describes it.", metavar="STUDY.yaml")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this folder; the default is the file's name without .yaml."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and count what it will cost; start nothing.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show what there is so far; start nothing.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Put the models that the study names on your list of trusted files.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the errors of all generations into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import learn as learning
    from lamplighter.api.answer import in_words_of_commands

    if learning.means_ablation(study):
        if dry_run:
            counted = in_words_of_commands(learning.cost_of_ablation)(study, output, trust=trust)
            show_answer(counted, figure, csv, as_json)
        elif status:
            show_answer(in_words_of_commands(learning.ablation_so_far)(study, output), figure, csv, as_json)
        else:
            compared = in_words_of_commands(learning.ablation)(study, output, trust=trust)
            show_answer(compared, figure, csv, as_json)
            if compared.failed:
                raise typer.Exit(exit_status.ERROR)
    elif dry_run:
        show_answer(in_words_of_commands(learning.cost_of_learning)(study, output, trust=trust), figure, csv, as_json)
    elif status:
        show_answer(in_words_of_commands(learning.learning_so_far)(study, output), figure, csv, as_json)
    else:
        answer = in_words_of_commands(learning.learn)(study, output, trust=trust)
        show_answer(answer, figure, csv, as_json)
