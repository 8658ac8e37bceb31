"""Options of `quality` that `report` has, too: what observables are taken from, and what they are held against."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Reference = Annotated[
    list[str] | None,
    typer.Option(help="Reference run, npt or nvt, or a pattern of them; again for more.", metavar="RUN"),
]
ReferenceDensity = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Mean and standard deviation of the reference's P(ρ), g/cm³.", metavar="MEAN STD"),
]
ReferenceDiffusivity = Annotated[
    float | None, typer.Option(help="The reference's D over all molecules, 10⁻⁶ cm²/s.", metavar="D")
]
Noise = Annotated[
    float | None,
    typer.Option(help="D_KL between references that differ in their seed; default: from the runs.", metavar="X"),
]
Horizon = Annotated[str, typer.Option(help="From which on a run counts as stable.", metavar="TIME")]
BinWidth = Annotated[
    float | None,
    typer.Option("--bin", help="Width of the bins of P(ρ), g/cm³; default: Scott's rule.", metavar="W"),
]
DiscardNvt = Annotated[
    str | None,
    typer.Option(help="The same as --discard, for D alone; default: as --discard.", metavar="auto|TIME"),
]
Block = Annotated[str, typer.Option(help="Length of a block for D.", metavar="TIME")]
BlockSpacing = Annotated[str, typer.Option(help="Between the starts of blocks.", metavar="TIME")]
Ballistic = Annotated[str, typer.Option(help="Dropped from the beginning of each block.", metavar="TIME")]


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
