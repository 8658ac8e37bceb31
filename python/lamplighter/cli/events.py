"""`lamplighter events`: what the guard of a run found, and how the run ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def events(
    run_folder: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines of events.jsonl as they are.")] = False,
) -> None:
    """Show what the guard of a run found, and how the run ended."""
    from lamplighter.report.events_text import format_events
    from lamplighter.run_folder.events import read_events
    from lamplighter.run_folder.run import Run

    run = Run(run_folder)
    found = read_events(run_folder)  # a damaged line is an error here
    if as_json:
        for event in found:
            print(event.line)
    else:
        print(format_events(run))
