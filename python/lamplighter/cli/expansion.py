"""Fit a line to densities at several temperatures: thermal expansion.

The command takes the npt stages at constant temperature and pressure; of several in a row at one temperature the last
is production. `workflow: {thermal_expansion: …}` in a run file makes such stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show


def expansion(
    runs: options.Runs,
    discard: options.Discard = "auto",
    stage: options.Stages = None,
    figure: Annotated[Path | None, typer.Option(help="Draw ρ(T) and the line into this file.", metavar="FILE")] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.cli.trajectory_source import discard_option
    from lamplighter.observables.thermal_expansion import thermal_expansion_of_runs
    from lamplighter.report.thermal_expansion_text import SHOWN
    from lamplighter.run_folder.run import Run

    result = thermal_expansion_of_runs([Run(folder) for folder in runs], discard_option(discard), stage or ())
    show(result, SHOWN, figure, csv, as_json)
