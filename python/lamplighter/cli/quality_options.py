"""Options of `quality` that `report` has, too: what observables are taken from, and what they are held against."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Reference = Annotated[
    list[str] | None,
    typer.Option(
        help="Compare with this reference run, npt or nvt, or with all that match a pattern. The option can "
        "be repeated.",
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


def observables(
    horizon: str,
    discard: str,
    bin_width: float | None,
    discard_nvt: str | None,
    block: str,
    block_spacing: str,
    ballistic: str,
) -> Any:
    """The options as `observables.quality.QualityOptions`.

    Raises:
        LamplighterError: one cannot be understood.
    """
    from lamplighter.analysis.diffusivity import BlockPlan
    from lamplighter.cli.trajectory_source import discard_option, time_option, time_or_zero
    from lamplighter.observables.diffusivity import DiffusivityOptions
    from lamplighter.observables.quality import QualityOptions

    plan = BlockPlan(
        time_option("--block", block) or 0.0,
        time_option("--block-spacing", block_spacing) or 0.0,
        time_or_zero("--ballistic", ballistic),
    )
    discard_ps = discard_option(discard)
    of_diffusivity = discard_ps if discard_nvt is None else discard_option(discard_nvt, "--discard-nvt")
    return QualityOptions(
        horizon_ps=time_option("--horizon", horizon) or 1000.0,
        discard_ps=discard_ps,
        bin_width=bin_width,
        diffusivity=DiffusivityOptions(discard=of_diffusivity, plan=plan),
    )


def stored_reference(density: tuple[float, float] | None, diffusivity: float | None, noise: float | None) -> Any:
    """The options as `observables.quality.StoredReference`.

    Raises:
        LamplighterError: a number is out of range.
    """
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.diffusivity import TO_1E6_CM2_S
    from lamplighter.observables.quality import StoredReference

    if density is not None and not min(density) > 0.0:
        raise LamplighterError("--reference-density needs a mean and a standard deviation > 0, in g/cm³")
    if diffusivity is not None and not diffusivity > 0.0:
        raise LamplighterError(f"--reference-diffusivity must be > 0, got {diffusivity:g}")
    if noise is not None and not noise >= 0.0:
        raise LamplighterError(f"--noise must not be negative, got {noise:g}")
    return StoredReference(density, None if diffusivity is None else diffusivity / TO_1E6_CM2_S, noise)
