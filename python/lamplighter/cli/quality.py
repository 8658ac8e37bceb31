"""Compute the quality Q of a committee's runs against a reference, from 0 to 3.

Q adds up whether runs are stable, of the right density, and of the right mobility. Runs are sorted by their last
stage: npt runs give stability and density, nvt (and nve) runs the diffusivity.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options, quality_options
from lamplighter.cli.output import show


def quality(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of the committee, npt and nvt.", metavar="RUN…")],
    reference: quality_options.Reference = None,
    reference_density: quality_options.ReferenceDensity = None,
    reference_diffusivity: quality_options.ReferenceDiffusivity = None,
    noise: quality_options.Noise = None,
    horizon: quality_options.Horizon = "1 ns",
    discard: options.Discard = "auto",
    bin_width: quality_options.BinWidth = None,
    discard_nvt: quality_options.DiscardNvt = None,
    block: quality_options.Block = "100 ps",
    block_spacing: quality_options.BlockSpacing = "10 ps",
    ballistic: quality_options.Ballistic = "10 ps",
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.cli.run_folders import matching_runs
    from lamplighter.observables.quality import quality_of_runs
    from lamplighter.report.quality_text import SHOWN
    from lamplighter.run_folder.run import Run

    stored = quality_options.stored_reference(reference_density, reference_diffusivity, noise)
    wanted = quality_options.observables(horizon, discard, bin_width, discard_nvt, block, block_spacing, ballistic)
    references = matching_runs("--reference", reference or [])
    result = quality_of_runs([Run(folder) for folder in runs], references, stored, wanted)
    show(result, SHOWN, None, csv, as_json)
