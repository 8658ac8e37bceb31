"""`lamplighter density`: the density of runs at constant pressure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options
from lamplighter.cli.output import show


def density(
    runs: options.Runs,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Run folder, or a pattern of them, that P(ρ) is compared with; again for more.", metavar="RUN"
        ),
    ] = None,
    discard: options.Discard = "auto",
    stage: Annotated[
        str | None, typer.Option(help="Name or index of the stage; default: the last npt.", metavar="STAGE")
    ] = None,
    bin_width: Annotated[
        float | None,
        typer.Option("--bin", help="Width of the bins of P(ρ), g/cm³; default: Scott's rule.", metavar="W"),
    ] = None,
    pseudo_count: Annotated[float, typer.Option(help="Added to each bin, so that none is empty.", metavar="N")] = 0.5,
    figure: Annotated[Path | None, typer.Option(help="Draw series, P(ρ) and blocks.", metavar="FILE")] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    """Density of runs at constant pressure: mean with error, distribution, compressibility.

    With --reference also how far the distribution is from that of other runs (Kullback-Leibler).
    """
    from lamplighter.cli.run_folders import matching_runs
    from lamplighter.cli.trajectory_source import discard_option
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.density import density_of_runs
    from lamplighter.report.density_text import SHOWN
    from lamplighter.run_folder.run import Run

    if not pseudo_count > 0.0:
        raise LamplighterError(
            f"--pseudo-count must be > 0, got {pseudo_count:g}: an empty bin would make D_KL infinite"
        )
    others = matching_runs("--reference", reference or [])
    result = density_of_runs(
        [Run(folder) for folder in runs], others, discard_option(discard), stage, bin_width, pseudo_count
    )
    show(result, SHOWN, figure, csv, as_json)
