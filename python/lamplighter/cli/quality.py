"""Compute the quality Q of a committee's runs against a reference, from 0 to 3.

Q adds up whether runs are stable, of the right density, and of the right mobility. Runs are sorted by their last
stage: npt runs give stability and density, nvt (and nve) runs the diffusivity.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import options, quality_options
from lamplighter.cli.output import show_answer


def quality(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders of the committee, npt and nvt; or a campaign.", metavar="RUN…")
    ],
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
    from lamplighter.api import liquids
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.cli.run_folders import references

    answer = in_words_of_commands(liquids.quality)(
        runs,
        reference=references(reference, files=True),
        reference_density=reference_density,
        reference_diffusivity=reference_diffusivity,
        noise=noise,
        horizon=horizon,
        discard=discard,
        bin_width=bin_width,
        discard_nvt=discard_nvt,
        block=block,
        block_spacing=block_spacing,
        ballistic=ballistic,
    )
    show_answer(answer, None, csv, as_json)
