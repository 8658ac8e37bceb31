"""Compute the self-diffusivity of each molecular species, with its error.

Molecules are those that a run decided on, else those of the first frame; the motion of the total centre of mass is
removed.

Defaults are the protocol's: the first 100 ps discarded (at most half), blocks of 100 ps that start every 10 ps,
their first 10 ps dropped. The error bar comes from blocks that do not overlap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import bond_options, options, viscosity_option
from lamplighter.cli.completion import one_of
from lamplighter.cli.output import show_answer


def diffusivity(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, LAMMPS dumps, any trajectories that ASE reads, or a campaign.", metavar="RUN|TRAJECTORY…"
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
    viscosity: viscosity_option.Viscosity = "auto",
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
            autocompletion=one_of("auto", "centres", "trajectory"),
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
    from lamplighter.api import liquids
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.cli.reading_progress import reading_progress

    answer = in_words_of_commands(liquids.diffusivity)(
        trajectories,
        discard=discard,
        block=block,
        block_spacing=block_spacing,
        ballistic=ballistic,
        stage=stage,
        viscosity=viscosity_option.parsed(viscosity),
        temperature=temperature,
        vacf_length=vacf_length,
        source=source,  # type: ignore[arg-type]  # it is checked there
        unwrap=unwrap,
        bonds=bonds,
        tolerance=tolerance,
        ions=ions,
        bonded=bonded,
        unbonded=unbonded,
        elements=elements,
        topology=topology,
        units=units,
        timestep=timestep,
        dt=dt,
        watch=reading_progress,
    )
    show_answer(answer, figure, csv, as_json)
