"""What `quality` and `report` are told of observables and references, as objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lamplighter.api.trajectory_source import Time, discard_option, time_option, time_or_zero
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.run import Run

if TYPE_CHECKING:
    from lamplighter.observables.quality import QualityOptions, StoredReference


One = TypeVar("One", Path, Run | Path)


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
    density: tuple[float, float] | None,
    diffusivity: float | None,
    noise: float | None,
    files: Sequence[Path] = (),
) -> StoredReference:
    """The options, and what files hold, as `observables.quality.StoredReference`.

    Raises:
        LamplighterError: a number is out of range, a file cannot be understood, or two say the same.
    """
    from lamplighter.observables.diffusivity import TO_1E6_CM2_S
    from lamplighter.observables.quality import StoredReference
    from lamplighter.observables.stored_reference import (
        StoredDiffusivity,
        StoredDistribution,
        read_stored_reference,
    )

    if density is not None and not min(density) > 0.0:
        raise LamplighterError("--reference-density needs a mean and a standard deviation > 0, in g/cm³")
    if diffusivity is not None and not diffusivity > 0.0:
        raise LamplighterError(f"--reference-diffusivity must be > 0, got {diffusivity:g}")
    if noise is not None and not noise >= 0.0:
        raise LamplighterError(f"--noise must not be negative, got {noise:g}")
    in_density: list[StoredDistribution | tuple[float, float]] = [] if density is None else [density]
    in_diffusivity: list[StoredDiffusivity | float] = [] if diffusivity is None else [diffusivity / TO_1E6_CM2_S]
    for path in files:
        distribution, motion = read_stored_reference(path)
        in_density += [] if distribution is None else [distribution]
        in_diffusivity += [] if motion is None else [motion]
    for what, found in (("density", in_density), ("diffusivity", in_diffusivity)):
        if len(found) > 1:
            raise LamplighterError(
                f"--reference: there are {len(found)} references for the {what} ({', '.join(str(f) for f in files)}"
                f"{f', --reference-{what}' if len(files) < len(found) else ''}); give one"
            )
    return StoredReference(next(iter(in_density), None), next(iter(in_diffusivity), None), noise)


def files_and_runs(references: Iterable[One]) -> tuple[list[Path], list[One]]:
    """References that are files of answers (`observables.stored_reference`), and those that are runs."""
    from lamplighter.observables.stored_reference import SUFFIX

    given = list(references)
    files = [each for each in given if isinstance(each, Path) and each.suffix == SUFFIX and not each.is_dir()]
    return files, [each for each in given if each not in files]
