"""Observables of liquids from runs and trajectories: what the commands of the same names print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.bond_rule import bond_rule
from lamplighter.api.campaign_groups import over_campaigns
from lamplighter.api.files import StrPath, texts_of
from lamplighter.api.given_viscosity import Viscosity, given_viscosity
from lamplighter.api.motion_source import MotionSource, open_motion
from lamplighter.api.quality_values import files_and_runs, observables, stored_reference
from lamplighter.api.reading import Watch, of_source, unwatched
from lamplighter.api.runs import One, Runs, named, runs_of
from lamplighter.api.trajectory_source import Time, TrajectorySource, discard_option, open_source, time_option
from lamplighter.api.trajectory_source import time_or_zero as _time_or_zero
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.observables.density import DensityOfRuns
    from lamplighter.observables.diffusivity import DiffusivityOfRuns
    from lamplighter.observables.quality import QualityOfRuns
    from lamplighter.observables.stability import StabilityOfRuns
    from lamplighter.observables.structure import StructureOfTrajectories


@in_words_of_python
@over_campaigns()
def density(
    runs: Runs,
    *,
    reference: Runs | None = None,
    discard: Time = "auto",
    stage: str | int | None = None,
    bin_width: float | None = None,
    pseudo_count: float = 0.5,
) -> Answer[DensityOfRuns]:
    """Density of runs at constant pressure: mean with error, distribution, compressibility.

    Args:
        runs: Run folders of one system.
        reference: Runs that the distribution P(ρ) is compared with (Kullback-Leibler divergence).
        discard: What is left out from the beginning of the stage: a time, or `auto` (docs/theory/density.md).
        stage: Name or index of the stage; None: the last npt.
        bin_width: Of the bins of P(ρ), g/cm³; None: Scott's rule.
        pseudo_count: Added to each bin, so that none is empty.

    Returns:
        `mean` and `within` (`Estimate`, g/cm³), `edges` (g/cm³, shape (K + 1,)), `probability` (shape (K,)), `runs`
        (each by itself), `divergence` (where there is a reference), `notes`.

    Raises:
        LamplighterError: a run cannot be used, the runs are of different systems, or an argument is out of range.

    Source: docs/theory/density.md.

    Example:
        ```python
        density = ll.density("liquid")
        print(density.mean)
        ```
    """
    from lamplighter.observables.density import density_of_runs
    from lamplighter.report.density_text import SHOWN

    if not pseudo_count > 0.0:
        raise LamplighterError(
            f"--pseudo-count must be > 0, got {pseudo_count:g}: an empty bin would make D_KL infinite"
        )
    others = [] if reference is None else runs_of(reference, "reference")
    result = density_of_runs(runs_of(runs), others, discard_option(discard), _name(stage), bin_width, pseudo_count)
    return Answer(result, SHOWN)


@in_words_of_python
@over_campaigns()
def stability(runs: Runs, *, horizon: Time = "1 ns", confidence: float = 0.95) -> Answer[StabilityOfRuns]:
    """How long runs are stable: t_stab of each, mean, median, survival curve, failures by cause.

    Args:
        runs: Run folders of one system.
        horizon: Time at which the probability of being stable is told.
        confidence: Level of the band and of the median's interval, between 0 and 1.

    Returns:
        `lifetimes` (each run's t_stab, ps), `mean`, the survival curve, causes, `notes`.

    Raises:
        LamplighterError: a run cannot be judged, the runs are of different systems, or an argument is out of range.

    Source: docs/theory/stability.md.

    Example:
        ```python
        print(ll.stability(["liquid"]))
        ```
    """
    from lamplighter.observables.stability import stability_of_runs
    from lamplighter.report.stability_text import SHOWN

    if not 0.0 < confidence < 1.0:
        raise LamplighterError(f"--confidence must lie between 0 and 1, got {confidence:g}")
    return Answer(stability_of_runs(runs_of(runs), time_option("--horizon", horizon) or 1000.0, confidence), SHOWN)


@in_words_of_python
@over_campaigns()
def diffusivity(
    trajectories: Runs,
    *,
    discard: Time = "auto",
    block: Time = "100 ps",
    block_spacing: Time = "10 ps",
    ballistic: Time = "10 ps",
    stage: str | int | None = None,
    viscosity: Viscosity = "auto",
    temperature: float | None = None,
    vacf_length: Time = "2 ps",
    source: Literal["auto", "centres", "trajectory"] = "auto",
    unwrap: bool = False,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    elements: str | None = None,
    topology: StrPath | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
    watch: Watch = unwatched,
) -> Answer[DiffusivityOfRuns]:
    """Self-diffusivity of each molecular species, from displacements at constant volume.

    Args:
        trajectories: Run folders, LAMMPS dumps, or trajectories that ASE reads, of one system.
        discard: What is left out from the beginning: a time, or `auto`.
        block, block_spacing, ballistic: Length of a block, time between the starts of blocks, and what is dropped from
            the beginning of each.
        stage: Of a run: name or index; None: the last nvt or nve.
        viscosity: mPa s, for the finite-size correction (Yeh, Hummer), or (viscosity, its standard error); `auto`: that
            of the run, where it wrote its pressure tensor; None: no correction.
        temperature: K, for the same; None: that of the run.
        vacf_length: Up to which the velocity autocorrelation is integrated.
        source: Of a run: centres of mass written during it, the trajectory, or the first that there is.
        unwrap: Positions are wrapped: follow atoms through the nearest image.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).
        elements, topology, units, timestep, dt: What a trajectory file does not say (`lamplighter diffusivity --help`).
        watch: Shows how far each trajectory has been read.

    Returns:
        The species with D (10⁻⁶ cm²/s in text and `to_dict`), and each trajectory by itself.

    Raises:
        LamplighterError: a trajectory cannot be used, they are of different systems, or an argument is out of range.

    Source: docs/theory/diffusivity.md.

    Example:
        ```python
        print(ll.diffusivity("liquid", discard="0", block="2 ps", block_spacing="1 ps", ballistic="0.2 ps"))
        ```
    """
    from lamplighter.analysis.diffusivity import BlockPlan
    from lamplighter.observables.diffusivity import (
        DiffusivityOptions,
        diffusivity_of_frames,
        diffusivity_of_run,
        diffusivity_of_runs,
    )
    from lamplighter.report.diffusivity_text import SHOWN

    given, given_error = given_viscosity(viscosity)
    if temperature is not None and not temperature > 0.0:
        raise LamplighterError(f"--temperature must be > 0, got {temperature:g}")
    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded)
    wanted = DiffusivityOptions(
        discard=discard_option(discard),
        plan=BlockPlan(
            time_option("--block", block) or 0.0,
            time_option("--block-spacing", block_spacing) or 0.0,
            _time_or_zero("--ballistic", ballistic),
        ),
        viscosity=given,
        viscosity_error=given_error,
        own_viscosity=viscosity == "auto",
        temperature=temperature,
        vacf_length=time_option("--vacf-length", vacf_length) or 0.0,
        unwrap=unwrap,
        bonds=rule,
    )
    about_atoms = bool(unwrap or rule is not None or timestep or dt or elements)
    chosen = _name(stage)

    def analysed(opened: MotionSource) -> Any:
        of = opened.source
        made = of_source(
            of,
            chosen,
            lambda: diffusivity_of_run(of.run, chosen, wanted, of.frames),
            lambda: diffusivity_of_frames(of.path, of, wanted),
            watch,
        )
        return replace(made, notes=[*made.notes, *opened.notes])

    opened = [
        open_motion(each, source, about_atoms, topology, elements, units, timestep, dt)
        for each in named(trajectories, "trajectories")
    ]
    return Answer(diffusivity_of_runs([analysed(each) for each in opened]), SHOWN)


@in_words_of_python
@over_campaigns()
def structure(
    trajectories: Runs,
    *,
    reference: One | None = None,
    molecules: Literal["all", "inter", "intra"] = "inter",
    pairs: str | Iterable[str] | None = None,
    r_max: float | None = None,
    bin_width: float = 0.05,
    discard: Time = "auto",
    stage: str | int | None = None,
    every: int = 1,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    breaks: float = 1.4,
    elements: str | None = None,
    topology: StrPath | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
    watch: Watch = unwatched,
) -> Answer[StructureOfTrajectories]:
    """Radial distributions, coordination numbers, bond lengths, and the molecules of each frame.

    Args:
        trajectories: Run folders, LAMMPS dumps, or trajectories that ASE reads, of one system.
        reference: Run folder or trajectory that bond lengths are compared with.
        molecules: Pairs that the text and the figure show g(r) of: all, between molecules, or within.
        pairs: Pairs of elements, such as "C-O O-H", or a list of them; None: all.
        r_max, bin_width: Å, how far g(r) goes (None: half of the cell, at most 10), and the width of its bins.
        discard: What is left out from the beginning: a time, or `auto`.
        stage: Of a run: name or index; None: the last of dynamics.
        every: Look only at each such frame.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).
        breaks: A bond is lost at this times the sum of the covalent radii.
        elements, topology, units, timestep, dt: What a trajectory file does not say (`lamplighter structure --help`).
        watch: Shows how far each trajectory has been read.

    Returns:
        Distributions, bonds and molecules of each trajectory, and their means.

    Raises:
        LamplighterError: a trajectory cannot be used, they are of different systems, or an argument is out of range.

    Source: docs/theory/structure.md.

    Example:
        ```python
        print(ll.structure("liquid", pairs="Ar-Ar", molecules="all"))
        ```
    """
    from lamplighter.analysis.bonding import BondRule
    from lamplighter.observables.structure import (
        StructureOptions,
        compared,
        structure_of_frames,
        structure_of_run,
    )
    from lamplighter.report.structure_text import shown

    if not bin_width > 0.0:
        raise LamplighterError(f"--bin must be > 0 Å, got {bin_width:g}")
    if r_max is not None and not r_max > bin_width:
        raise LamplighterError(f"--r-max must be more than one bin ({bin_width:g} Å), got {r_max:g}")
    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded)
    reach = BondRule().tolerance if rule is None else rule.tolerance
    if not reach <= breaks < 3.0:
        raise LamplighterError(f"--breaks must lie between --tolerance ({reach:g}) and 3, got {breaks:g}")
    if every < 1:
        raise LamplighterError(f"--every must be at least 1, got {every}")
    wanted = StructureOptions(discard_option(discard), r_max, bin_width, rule, breaks, every)
    pair_names, chosen = _pairs(molecules, pairs), _name(stage)
    paths = named(trajectories, "trajectories")
    others = [] if reference is None else named(reference, "reference")
    if len(others) > 1:
        raise LamplighterError(f"--reference: one run or trajectory is compared with, and there are {len(others)}")
    made = []
    for source in [open_source(each, topology, elements, units, timestep, dt) for each in [*paths, *others]]:

        def of_run(source: TrajectorySource = source) -> Any:
            return structure_of_run(source.run, chosen, wanted, source.frames)

        def of_frames(source: TrajectorySource = source) -> Any:
            return structure_of_frames(source.path, source, wanted)

        made.append(of_source(source, chosen, of_run, of_frames, watch))
    result = compared(made[: len(paths)], made[-1] if others else None)
    _require_pairs(made, pair_names)
    return Answer(result, shown(molecules, pair_names))


@in_words_of_python
@over_campaigns()
def quality(
    runs: Runs,
    *,
    reference: Runs | None = None,
    reference_density: tuple[float, float] | None = None,
    reference_diffusivity: float | None = None,
    noise: float | None = None,
    horizon: Time = "1 ns",
    discard: Time = "auto",
    bin_width: float | None = None,
    discard_nvt: Time | None = None,
    block: Time = "100 ps",
    block_spacing: Time = "10 ps",
    ballistic: Time = "10 ps",
) -> Answer[QualityOfRuns]:
    """Quality metric Q of a committee: stable, of the right density, of the right mobility. 0 to 3.

    Args:
        runs: The committee's npt and nvt runs.
        reference: Reference runs, npt and nvt, or JSON files of what `density` and `diffusivity` say of them.
        reference_density: Mean and standard deviation of the reference's P(ρ), g/cm³, in their place.
        reference_diffusivity: The reference's D over all molecules, 10⁻⁶ cm²/s, in their place.
        noise: D_KL between references that differ in their seed; None: from the runs.
        horizon: From which on a run counts as stable.
        discard, discard_nvt: What is left out from the beginning of npt and of nvt runs.
        bin_width: Of the bins of P(ρ), g/cm³; None: Scott's rule.
        block, block_spacing, ballistic: As of `diffusivity`.

    Returns:
        Q with its parts.

    Raises:
        LamplighterError: a run cannot be used, the runs are of different systems, or there is no reference density.

    Source: docs/theory/quality.md.
    """
    from lamplighter.observables.quality import quality_of_runs
    from lamplighter.report.quality_text import SHOWN

    files, folders = files_and_runs([] if reference is None else named(reference, "reference"))
    stored = stored_reference(reference_density, reference_diffusivity, noise, files)
    wanted = observables(horizon, discard, bin_width, discard_nvt, block, block_spacing, ballistic)
    references = runs_of(folders, "reference") if folders else []
    return Answer(quality_of_runs(runs_of(runs), references, stored, wanted), SHOWN)


def _name(stage: str | int | None) -> str | None:
    return None if stage is None else str(stage)


def _pairs(molecules: str, pairs: str | Iterable[str] | None) -> list[str] | None:
    from lamplighter.analysis.radial_distribution import KINDS

    if molecules not in KINDS:
        raise LamplighterError(f"--molecules must be one of {', '.join(KINDS)}, got {molecules!r}")
    if pairs is None:
        return None
    words = " ".join(texts_of(pairs, "--pairs"))
    names = words.replace(",", " ").replace("–", "-").split()
    if not names or any(len(pair.split("-")) != 2 for pair in names):
        raise LamplighterError(f'--pairs: {pairs!r} are no pairs of elements; write e.g. --pairs "C-O O-H"')
    return names


def _require_pairs(made: Sequence[Any], names: Sequence[str] | None) -> None:
    from lamplighter.report.structure_text import chosen, pair_name

    for pair in names or []:
        for one in made:
            found = one.distributions["all"]
            if found and not chosen(found, [pair]):
                known = ", ".join(pair_name(each) for each in found)
                raise LamplighterError(f"--pairs: {one.path} has no pair {pair}; it has {known}")
