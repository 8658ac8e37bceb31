"""Compute the ionic conductivity and transference numbers, with their errors.

The conductivity is that of all ions together, with their correlations (Einstein relation of the collective
displacement), and beside it that of ions which move independently (Nernst-Einstein).

Charges are formal ones: of the list of molecules of a run, or whole ones in the proportion of its atoms' charges, which
may be scaled, or those of well-known ions, the first that there is; or those of --charges. Blocks, --discard and
molecules are as of `lamplighter diffusivity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import bond_options, options, viscosity_option
from lamplighter.cli.completion import one_of
from lamplighter.cli.output import show_answer


def conductivity(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, LAMMPS dumps, any trajectories that ASE reads, or a campaign.", metavar="RUN|TRAJECTORY…"
        ),
    ],
    charges: Annotated[
        str | None,
        typer.Option(
            help="Take these charges of species, by formula; species that are not named are neutral.",
            metavar="Li=1,PF6=-1",
        ),
    ] = None,
    discard: options.Discard = "auto",
    block: Annotated[str, typer.Option(help="Compute slopes from blocks of this length.", metavar="TIME")] = "100 ps",
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
        float | None, typer.Option(help="Use this temperature, K; the default is the run's own.", metavar="T")
    ] = None,
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
        Path | None, typer.Option(help="Draw the displacements of the charges into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import transport
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.cli.reading_progress import reading_progress

    answer = in_words_of_commands(transport.conductivity)(
        trajectories,
        charges=charges,
        discard=discard,
        block=block,
        block_spacing=block_spacing,
        ballistic=ballistic,
        stage=stage,
        viscosity=viscosity_option.parsed(viscosity),
        temperature=temperature,
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
