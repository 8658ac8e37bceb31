"""Compute radial distributions and bond lengths, and tell whether molecules hold.

Molecules and bonds are those that a run decided on, else those of the first frame. With --reference the command also
says how much longer and softer the bonds are than in another run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import bond_options, options
from lamplighter.cli.completion import one_of
from lamplighter.cli.output import show_answer


def structure(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, LAMMPS dumps, any trajectories that ASE reads, or a campaign.", metavar="RUN|TRAJECTORY…"
        ),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Compare bond lengths with those of this run folder, trajectory or campaign.", metavar="RUN|TRAJECTORY"
        ),
    ] = None,
    molecules: Annotated[
        str,
        typer.Option(
            help="Show g(r) of all pairs of atoms (all), of those between molecules (inter), or of those within "
            "(intra).",
            metavar="KIND",
            autocompletion=one_of("all", "inter", "intra"),
        ),
    ] = "inter",
    pairs: Annotated[
        str | None,
        typer.Option(help='Show only these pairs of elements, such as "C-O O-H"; the default is all.', metavar="PAIRS"),
    ] = None,
    r_max: Annotated[
        float | None,
        typer.Option(
            help="Compute g(r) up to this distance, Å; the default is half of the cell, at most 10.", metavar="R"
        ),
    ] = None,
    bin_width: Annotated[float, typer.Option("--bin", help="Give the bins of g(r) this width, Å.", metavar="W")] = 0.05,
    discard: options.Discard = "auto",
    stage: Annotated[
        str | None,
        typer.Option(
            help="Take the stage of this name or index of a run; the default is the last stage of dynamics.",
            metavar="STAGE",
        ),
    ] = None,
    every: Annotated[int, typer.Option(help="Take only each N-th frame.", metavar="N")] = 1,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    breaks: Annotated[
        float,
        typer.Option(
            help="A bond is lost when it is longer than this times the sum of the covalent radii.", metavar="X"
        ),
    ] = 1.4,
    elements: options.Elements = None,
    topology: options.Topology = None,
    units: options.Units = None,
    timestep: options.Timestep = None,
    dt: options.Dt = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw g(r), n(r), bond lengths and molecules into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import liquids
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.cli.reading_progress import reading_progress

    answer = in_words_of_commands(liquids.structure)(
        trajectories,
        reference=reference,
        molecules=molecules,  # type: ignore[arg-type]  # it is checked there
        pairs=pairs,
        r_max=r_max,
        bin_width=bin_width,
        discard=discard,
        stage=stage,
        every=every,
        bonds=bonds,
        tolerance=tolerance,
        ions=ions,
        bonded=bonded,
        unbonded=unbonded,
        breaks=breaks,
        elements=elements,
        topology=topology,
        units=units,
        timestep=timestep,
        dt=dt,
        watch=reading_progress,
    )
    show_answer(answer, figure, csv, as_json)
