"""Compute the self-diffusivity of each molecular species, with its error.

Molecules are those that a run decided on, else those of the first frame; the motion of the total centre of mass is
removed.

Defaults are the protocol's: the first 100 ps discarded (at most half), blocks of 100 ps that start every 10 ps,
their first 10 ps dropped. The error bar comes from blocks that do not overlap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter.cli import bond_options, options
from lamplighter.cli.output import show


def diffusivity(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, LAMMPS dumps, or any trajectories that ASE reads.", metavar="RUN|TRAJECTORY…"
        ),
    ],
    discard: options.Discard = "auto",
    block: Annotated[str, typer.Option(help="Compute D from blocks of this length.", metavar="TIME")] = "100 ps",
    block_spacing: Annotated[
        str, typer.Option(help="Overlapping blocks start this time apart.", metavar="TIME")
    ] = "10 ps",
    ballistic: Annotated[
        str,
        typer.Option(
            help="Drop this time, in which motion is ballistic, from the beginning of each block.", metavar="TIME"
        ),
    ] = "10 ps",
    stage: Annotated[
        str | None,
        typer.Option(
            help="Take the stage of this name or index of a run; the default is the last nvt or nve stage.",
            metavar="STAGE",
        ),
    ] = None,
    viscosity: Annotated[
        float | None,
        typer.Option(
            help="Correct D for the finite size of the cell (Yeh, Hummer) with this viscosity, mPa s.", metavar="ETA"
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Use this temperature, K, in the correction of --viscosity; the default is the run's own.", metavar="T"
        ),
    ] = None,
    vacf_length: Annotated[
        str, typer.Option(help="Integrate the autocorrelation of velocities up to this time.", metavar="TIME")
    ] = "2 ps",
    source: Annotated[
        str,
        typer.Option(
            help="Read the centres of mass that a run wrote (centres), or its trajectory; auto takes the first "
            "that there is.",
            metavar="auto|centres|trajectory",
        ),
    ] = "auto",
    unwrap: Annotated[
        bool,
        typer.Option(
            "--unwrap", help="Positions are wrapped, so that atoms are followed through their nearest images."
        ),
    ] = False,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    elements: options.Elements = None,
    topology: options.Topology = None,
    units: options.Units = None,
    timestep: options.Timestep = None,
    dt: options.Dt = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the mean square displacements into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.analysis.diffusivity import BlockPlan
    from lamplighter.cli.trajectory_source import discard_option, time_option, time_or_zero
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.diffusivity import DiffusivityOptions, diffusivity_of_runs
    from lamplighter.report.diffusivity_text import SHOWN

    for option, value in (("--viscosity", viscosity), ("--temperature", temperature)):
        if value is not None and not value > 0.0:
            raise LamplighterError(f"{option} must be > 0, got {value:g}")
    rule = bond_options.bond_rule(bonds, tolerance, ions, bonded, unbonded)
    wanted = DiffusivityOptions(
        discard=discard_option(discard),
        plan=BlockPlan(
            time_option("--block", block) or 0.0,
            time_option("--block-spacing", block_spacing) or 0.0,
            time_or_zero("--ballistic", ballistic),
        ),
        viscosity=viscosity,
        temperature=temperature,
        vacf_length=time_option("--vacf-length", vacf_length) or 0.0,
        unwrap=unwrap,
        bonds=rule,
    )
    if source not in ("auto", "centres", "trajectory"):
        raise LamplighterError(f"--source must be auto, centres or trajectory, got {source!r}")
    if source == "auto" and (unwrap or rule is not None or timestep or dt or elements):
        source = "trajectory"  # these options are about atoms
    opened = [_opened(path, source, topology, elements, units, timestep, dt) for path in trajectories]
    result = diffusivity_of_runs([_analysed(each, stage, wanted) for each in opened])
    show(result, SHOWN, figure, csv, as_json)


def _opened(path: Path, source: str, *given: Any) -> Any:
    """A `TrajectorySource`, of the centres of mass of a run folder that has them."""
    from lamplighter.cli.trajectory_source import TrajectorySource, open_source
    from lamplighter.run_folder.names import CENTRES
    from lamplighter.run_folder.run import Run

    if path.is_dir() and (source == "centres" or (source == "auto" and (path / CENTRES).exists())):
        run = Run(path)
        centres = run.centres()
        return TrajectorySource(centres.path, centres, None, run)
    return open_source(path, *given)


def _analysed(source: Any, stage: str | None, wanted: Any) -> Any:
    from dataclasses import replace

    from lamplighter.cli.reading_progress import reading_progress
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.diffusivity import diffusivity_of_frames, diffusivity_of_run
    from lamplighter.run_folder.centres import RunCentres

    with reading_progress(source, str(source.path)):
        if isinstance(source.frames, RunCentres):
            made = diffusivity_of_run(source.run, stage, wanted, source.frames)
            return replace(made, notes=[*made.notes, f"from the centres of mass in {source.path.name}"])
        if source.run is not None and source.step_ps is None and source.frame_ps is None:
            return diffusivity_of_run(source.run, stage, wanted, source.frames)
        if stage is not None:
            raise LamplighterError(f"--stage is for run folders whose times are known, not for {source.path}")
        made = diffusivity_of_frames(source.path, source, wanted)
    if source.frames.dropped:
        made = replace(made, notes=[*made.notes, f"{source.path.name}: {source.frames.dropped}"])
    return made
