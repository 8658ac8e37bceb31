"""Fit the Tait equation to densities at several pressures: compressibility.

The command takes the npt stages at constant temperature and pressure; of several in a row at one pressure the last is
production. `workflow: {compression: …}` in a run file makes such stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show


def compression(
    runs: options.Runs,
    discard: options.Discard = "auto",
    stage: options.Stages = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw V(p), what the fit leaves of it, and κ_T(p) into this file.", metavar="FILE"),
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.cli.trajectory_source import discard_option
    from lamplighter.observables.compression import compression_of_runs
    from lamplighter.report.compression_text import SHOWN
    from lamplighter.run_folder.run import Run

    result = compression_of_runs([Run(folder) for folder in runs], discard_option(discard), stage or ())
    show(result, SHOWN, figure, csv, as_json)
