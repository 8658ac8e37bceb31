"""Write a run as an input of plain LAMMPS, for a LAMMPS of any build.

The new folder holds in.lammps with every stage, the structure, the model in the form that the pair style reads, and
README.md, which says how to start it, and what of the run is not in it. The run itself is only read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or run file that has not run.", metavar="RUN")],
    target: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Write for this LAMMPS: mliap, allegro, nequip, sevennet, symmetrix, mace, deepmd, quip, lammps (the "
            "run file's own pair styles) or lamplighter; the default fits the models.",
            metavar="NAME",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this folder; the default is RUN_for_NAME in the current folder."),
    ] = None,
    begin: Annotated[
        Literal["start", "last"],
        typer.Option("--from", help="Begin as the run did, or with the newest state that an interrupted run has left."),
    ] = "start",
    member: Annotated[
        int | None,
        typer.Option(help="Take this model of several, counted from 1; the default drives the run.", metavar="K"),
    ] = None,
    ranks: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Write for this number of MPI ranks, on which domains and some pair styles depend; the default is "
            "that of the grid in the run file, else 1.",
        ),
    ] = None,
    convert: Annotated[
        bool,
        typer.Option(
            "--convert/--no-convert",
            help="Convert the model where the tool of its framework is installed, or only write the command down.",
        ),
    ] = True,
    trust: Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")] = False,
) -> None:
    import shlex

    from lamplighter.exporting.export import README
    from lamplighter.exporting.export import export as write

    made = write(
        run, target, output, begin=begin, member=member, ranks=ranks, convert=convert, trust=trust
    )  # fmt: skip
    print(f"Wrote {made.folder}, for LAMMPS with pair_style {made.pair_style} (--for {made.target}).")
    print(made.state)
    if made.make_models:
        print("The model file must be made first, in the folder `models` (sh make_models.sh):")
        for command in made.make_models:
            print(f"  {shlex.join(command)}")
    print("Start it in that folder:")
    for line in made.start:
        print(f"  {line}")
    print("Left out:")
    for each in made.left_out:
        print(f"  - {each}")
    print(f"{README} says more.")
