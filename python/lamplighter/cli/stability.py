"""Tell how long a set of runs is stable: mean, median, survival curve, causes.

t_stab is the simulated time to the first violation of the guard's criteria; a run without a guard is checked by its
trajectory (bond stretch 0.5 Å, density 0.2 to 2 g/cm³). A run that did not fail is censored: it counts as ≥.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show


def stability(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, all of one system.", metavar="RUN…")],
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
    from lamplighter.cli.trajectory_source import time_option
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.stability import stability_of_runs
    from lamplighter.report.stability_text import SHOWN
    from lamplighter.run_folder.run import Run

    if not 0.0 < confidence < 1.0:
        raise LamplighterError(f"--confidence must lie between 0 and 1, got {confidence:g}")
    horizon_ps = time_option("--horizon", horizon) or 1000.0
    result = stability_of_runs([Run(folder) for folder in runs], horizon_ps, confidence)
    show(result, SHOWN, figure, csv, as_json)
