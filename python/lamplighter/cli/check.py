"""Find the first frame of any trajectory that is no longer physical.

The command applies the criteria of `fix guard`, independently of it, to a run folder or to any trajectory file. A run
folder brings its own guard section as defaults. Numbers that are not finite, and atoms that are lost, always count.

Exit status: 0 no violation, 1 a violation, 2 no check could be made, 3 no violation, but there are no bonds for the
bond criterion to watch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter.cli import bond_options, options
from lamplighter.cli.completion import one_of
from lamplighter.cli.limit_options import with_limits
from lamplighter.cli.output import show_answer
from lamplighter.errors import LamplighterError


@with_limits
def check(
    trajectory: Annotated[
        Path,
        typer.Argument(help="Run folder, LAMMPS dump, or any trajectory that ASE reads.", metavar="TRAJECTORY"),
    ],
    limits: dict[str, Any],
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compare bonds with their mean length in molecules alike (mean, the default), their first length "
            "(initial), or a file of lengths.",
            metavar="mean|initial|FILE",
        ),
    ] = None,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    density_start: Annotated[
        str | None,
        typer.Option(
            help='The density stays within this share of that of the start, such as "20 %".', metavar="PERCENT"
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Apply a preset, as in a run file. Both are for molecular liquids of about 1 g/cm³: their bounds "
            "of the density fit nothing else.",
            metavar="stability|active-learning",
            autocompletion=one_of("stability", "active-learning"),
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Take bonds and the first density from this structure; the default is the first frame.",
            metavar="STRUCTURE",
        ),
    ] = None,
    elements: options.Elements = None,
    topology: options.Topology = None,
    units: options.Units = None,
    timestep: options.Timestep = None,
    dt: options.Dt = None,
    every_violation: Annotated[bool, typer.Option("--all", help="Go on after the first violation.")] = False,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.api.check import check_trajectory

    try:
        answer = in_words_of_commands(check_trajectory)(
            trajectory,
            limits,
            reference=reference,
            bonds=bonds,
            tolerance=tolerance,
            ions=ions,
            bonded=bonded,
            unbonded=unbonded,
            density_start=density_start,
            preset=preset,
            start=start,
            elements=elements,
            topology=topology,
            units=units,
            timestep=timestep,
            dt=dt,
            every_violation=every_violation,
        )
    except LamplighterError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        raise typer.Exit(2) from None
    show_answer(answer, csv=csv, as_json=as_json)
    unwatched = answer.n_bonds == 0
    raise typer.Exit(1 if not answer.outcome.censored else 3 if unwatched else 0)
