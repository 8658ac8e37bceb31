"""Transport beyond diffusion: viscosity, conductivity and transference numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.bond_rule import bond_rule
from lamplighter.api.campaign_groups import over_campaigns
from lamplighter.api.files import StrPath
from lamplighter.api.given_viscosity import Viscosity, given_viscosity
from lamplighter.api.motion_source import MotionSource, open_motion
from lamplighter.api.reading import Watch, of_source, unwatched
from lamplighter.api.runs import Runs, named, runs_of
from lamplighter.api.trajectory_source import Time, discard_option, time_option, time_or_zero
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.observables.conductivity import ConductivityOfRuns
    from lamplighter.observables.viscosity import ViscosityOfRuns


@in_words_of_python
@over_campaigns()
def viscosity(
    runs: Runs, *, discard: Time = "auto", stage: str | int | None = None, pieces: int | None = None
) -> Answer[ViscosityOfRuns]:
    """Shear viscosity of runs at constant volume, from the pressure tensor that they wrote (`output.pressure_tensor`).

    Args:
        runs: Run folders of one system.
        discard: What is left out from the beginning of the stage: a time, or `auto`.
        stage: Name or index of the stage; None: the last nvt or nve.
        pieces: How many pieces the pressure tensor is cut into; None: 20 to 200, by its relaxation.

    Returns:
        `mean` (`Estimate`, mPa s), `runs` (each by itself, with the running integral and its fit).

    Raises:
        LamplighterError: a run wrote no pressure tensor or is too short, the runs are of different systems, or an
            argument is out of range.

    Source: docs/theory/viscosity.md.
    """
    from lamplighter.observables.viscosity import viscosity_of_runs
    from lamplighter.report.viscosity_text import SHOWN

    if pieces is not None and pieces < 2:
        raise LamplighterError(f"--pieces must be at least 2, got {pieces} (10 are needed for an error bar)")
    name = None if stage is None else str(stage)
    return Answer(viscosity_of_runs(runs_of(runs), name, discard_option(discard), pieces), SHOWN)


@in_words_of_python
@over_campaigns()
def conductivity(
    trajectories: Runs,
    *,
    charges: str | Mapping[str, float] | None = None,
    discard: Time = "auto",
    block: Time = "100 ps",
    block_spacing: Time = "10 ps",
    ballistic: Time = "10 ps",
    stage: str | int | None = None,
    viscosity: Viscosity = "auto",
    temperature: float | None = None,
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
) -> Answer[ConductivityOfRuns]:
    """Ionic conductivity and transference numbers, from displacements at constant volume.

    Args:
        trajectories: Run folders, LAMMPS dumps, or trajectories that ASE reads, of one system.
        charges: Of species by formula, such as {"Li": 1, "PF6": -1} or "Li=1,PF6=-1"; None: of the list of molecules of
            a run, from the charges of its atoms, or those of well-known ions, the first that there is.
        discard: What is left out from the beginning: a time, or `auto`.
        block, block_spacing, ballistic: As of `diffusivity`.
        stage: Of a run: name or index; None: the last nvt or nve.
        viscosity: mPa s, with which the conductivity of independent ions is corrected for the finite cell (Yeh,
            Hummer), or (viscosity, its standard error), an error that all trajectories share; `auto`: that of the run,
            where it wrote its pressure tensor; None: no correction.
        temperature: K; None: that of the run.
        source: Of a run: centres of mass written during it, the trajectory, or the first that there is.
        unwrap: Positions are wrapped: follow atoms through the nearest image.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).
        elements, topology, units, timestep, dt: What a file does not say (`lamplighter conductivity --help`).
        watch: Shows how far each trajectory has been read.

    Returns:
        `einstein` and `nernst_einstein` (`Estimate`, mS/cm), `ionicity` (their ratio), `nernst_einstein_infinite` and
        `ionicity_infinite` (with a viscosity), `transference` by species, and `trajectories` (each by itself).

    Raises:
        LamplighterError: a trajectory cannot be used, no species has a charge, the charges do not add up to zero, the
            trajectories are of different systems, or an argument is out of range.

    Source: docs/theory/conductivity.md.
    """
    from lamplighter.analysis.diffusivity import BlockPlan
    from lamplighter.observables.conductivity import (
        ConductivityOptions,
        conductivities_together,
        conductivity_of_frames,
        conductivity_of_run,
    )
    from lamplighter.observables.diffusivity import DiffusivityOptions
    from lamplighter.observables.ion_charges import charges_of_words
    from lamplighter.report.conductivity_text import SHOWN

    eta, eta_error = given_viscosity(viscosity)
    if temperature is not None and not temperature > 0.0:
        raise LamplighterError(f"--temperature must be > 0, got {temperature:g}")
    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded)
    wanted = ConductivityOptions(
        motion=DiffusivityOptions(
            discard=discard_option(discard),
            plan=BlockPlan(
                time_option("--block", block) or 0.0,
                time_option("--block-spacing", block_spacing) or 0.0,
                time_or_zero("--ballistic", ballistic),
            ),
            viscosity=eta,
            viscosity_error=eta_error,
            own_viscosity=viscosity == "auto",
            temperature=temperature,
            unwrap=unwrap,
            bonds=rule,
        ),
        charges=None if charges is None else charges_of_words(charges),
    )
    chosen = None if stage is None else str(stage)
    about_atoms = bool(unwrap or rule is not None or timestep or dt or elements)

    def analysed(opened: MotionSource) -> Any:
        of = opened.source
        made = of_source(
            of,
            chosen,
            lambda: conductivity_of_run(of.run, chosen, wanted, of.frames),
            lambda: conductivity_of_frames(of.path, of, wanted),
            watch,
        )
        return replace(made, notes=[*made.notes, *opened.notes])

    opened = [
        open_motion(each, source, about_atoms, topology, elements, units, timestep, dt)
        for each in named(trajectories, "trajectories")
    ]
    return Answer(conductivities_together([analysed(each) for each in opened]), SHOWN)
