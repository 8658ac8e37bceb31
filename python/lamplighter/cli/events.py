"""Show what the guard found during a run, and how the run ended.

The command reads what the run wrote. `lamplighter check` looks at the trajectory itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def events(
    run_folder: Annotated[Path, typer.Argument(help="Run folder whose guard is asked.", metavar="RUN")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the lines of events.jsonl, of which each is JSON, in place of text.")
    ] = False,
) -> None:
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
