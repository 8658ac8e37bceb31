"""What `quality` and `report` are told of observables and references, as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamplighter.api.trajectory_source import Time, discard_option, time_option, time_or_zero
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.observables.quality import QualityOptions, StoredReference


def observables(
    horizon: Time,
    discard: Time,
    bin_width: float | None,
    discard_nvt: Time | None,
    block: Time,
    block_spacing: Time,
    ballistic: Time,
) -> QualityOptions:
    """The options as `observables.quality.QualityOptions`.

    Raises:
        LamplighterError: one cannot be understood.
    """
    from lamplighter.analysis.diffusivity import BlockPlan
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


def stored_reference(
    density: tuple[float, float] | None, diffusivity: float | None, noise: float | None
) -> StoredReference:
    """The options as `observables.quality.StoredReference`.

    Raises:
        LamplighterError: a number is out of range.
    """
    from lamplighter.observables.diffusivity import TO_1E6_CM2_S
    from lamplighter.observables.quality import StoredReference

    if density is not None and not min(density) > 0.0:
        raise LamplighterError("--reference-density needs a mean and a standard deviation > 0, in g/cm³")
    if diffusivity is not None and not diffusivity > 0.0:
        raise LamplighterError(f"--reference-diffusivity must be > 0, got {diffusivity:g}")
    if noise is not None and not noise >= 0.0:
        raise LamplighterError(f"--noise must not be negative, got {noise:g}")
    return StoredReference(density, None if diffusivity is None else diffusivity / TO_1E6_CM2_S, noise)
