"""`lamplighter quality`: the quality metric Q of a committee."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options


def quality(
    runs: Annotated[list[Path], typer.Argument(help="The committee's npt and nvt runs.", metavar="RUN…")],
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Reference run, npt or nvt, or a pattern of them; again for more.", metavar="RUN"),
    ] = None,
    reference_density: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Mean and standard deviation of the reference's P(ρ), g/cm³.", metavar="MEAN STD"),
    ] = None,
    reference_diffusivity: Annotated[
        float | None, typer.Option(help="The reference's D over all molecules, 10⁻⁶ cm²/s.", metavar="D")
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="D_KL between references that differ in their seed; default: from the runs.", metavar="X"),
    ] = None,
    horizon: Annotated[str, typer.Option(help="From which on a run counts as stable.", metavar="TIME")] = "1 ns",
    discard: Annotated[
        str, typer.Option(help="Left out of densities: a time, or auto (Chodera 2016).", metavar="auto|TIME")
    ] = "auto",
    bin_width: Annotated[
        float | None,
        typer.Option("--bin", help="Width of the bins of P(ρ), g/cm³; default: Scott's rule.", metavar="W"),
    ] = None,
    discard_nvt: Annotated[str, typer.Option(help="Left out from the beginning for D.", metavar="TIME")] = "100 ps",
    block: Annotated[str, typer.Option(help="Length of a block for D.", metavar="TIME")] = "100 ps",
    block_spacing: Annotated[str, typer.Option(help="Between the starts of blocks.", metavar="TIME")] = "10 ps",
    ballistic: Annotated[str, typer.Option(help="Dropped from the beginning of each block.", metavar="TIME")] = "10 ps",
    as_json: options.Json = False,
) -> None:
    """Quality metric Q of a committee: stable, of the right density, of the right mobility. 0 to 3.

    Runs are sorted by their last stage: npt runs give stability and density, nvt (and nve) runs the diffusivity.
    """
    from lamplighter.analysis.diffusivity import BlockPlan
    from lamplighter.cli.run_folders import matching_folders
    from lamplighter.cli.trajectory_source import time_option, time_or_zero
    from lamplighter.errors import LamplighterError
    from lamplighter.report.diffusivity import TO_1E6_CM2_S, Wanted
    from lamplighter.report.json_text import json_text
    from lamplighter.report.quality import (
        Options,
        StoredReference,
        format_quality,
        quality_as_json,
        quality_of_runs,
    )

    if reference_density is not None and not min(reference_density) > 0.0:
        raise LamplighterError("--reference-density needs a mean and a standard deviation > 0, in g/cm³")
    if reference_diffusivity is not None and not reference_diffusivity > 0.0:
        raise LamplighterError(f"--reference-diffusivity must be > 0, got {reference_diffusivity:g}")
    if noise is not None and not noise >= 0.0:
        raise LamplighterError(f"--noise must not be negative, got {noise:g}")
    plan = BlockPlan(
        time_option("--block", block) or 0.0,
        time_option("--block-spacing", block_spacing) or 0.0,
        time_or_zero("--ballistic", ballistic),
    )
    options = Options(
        horizon_ps=time_option("--horizon", horizon) or 1000.0,
        discard_ps=None if discard == "auto" else time_option("--discard", discard),
        bin_width=bin_width,
        diffusivity=Wanted(discard=time_or_zero("--discard-nvt", discard_nvt), plan=plan),
    )
    known = None if reference_diffusivity is None else reference_diffusivity / TO_1E6_CM2_S
    stored = StoredReference(reference_density, known, noise)
    result = quality_of_runs(runs, matching_folders("--reference", reference or []), stored, options)
    print(json_text(quality_as_json(result)) if as_json else format_quality(result))
