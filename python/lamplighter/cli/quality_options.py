"""Options of `quality` that `report` has, too: what observables are taken from, and what they are held against."""

from __future__ import annotations

from typing import Annotated

import typer

Reference = Annotated[
    list[str] | None,
    typer.Option(
        help="Compare with this reference run, npt or nvt, with all that match a pattern, with a campaign, or with a "
        "file that holds what `density --json` or `diffusivity --json` says of such runs. The option can be repeated.",
        metavar="RUN",
    ),
]
ReferenceDensity = Annotated[
    tuple[float, float] | None,
    typer.Option(
        help="Take this mean and standard deviation, g/cm³, as the reference's P(ρ), in place of reference runs.",
        metavar="MEAN STD",
    ),
]
ReferenceDiffusivity = Annotated[
    float | None,
    typer.Option(
        help="Take this D over all molecules, 10⁻⁶ cm²/s, as the reference's, in place of reference runs.", metavar="D"
    ),
]
Noise = Annotated[
    float | None,
    typer.Option(
        help="Take this D_KL as the noise between references that differ in their seed; the default comes "
        "from the reference runs.",
        metavar="X",
    ),
]
Horizon = Annotated[
    str, typer.Option(help="A run that lasts this long without a violation counts as stable.", metavar="TIME")
]
BinWidth = Annotated[
    float | None,
    typer.Option("--bin", help="Give the bins of P(ρ) this width, g/cm³; the default is Scott's rule.", metavar="W"),
]
DiscardNvt = Annotated[
    str | None,
    typer.Option(
        help="Leave out this time from the beginning where D is computed; the default is that of --discard.",
        metavar="auto|TIME",
    ),
]
Block = Annotated[str, typer.Option(help="Compute D from blocks of this length.", metavar="TIME")]
BlockSpacing = Annotated[str, typer.Option(help="Overlapping blocks start this time apart.", metavar="TIME")]
Ballistic = Annotated[
    str,
    typer.Option(
        help="Drop this time, in which motion is ballistic, from the beginning of each block.", metavar="TIME"
    ),
]
