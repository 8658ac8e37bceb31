"""Options that several commands have, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Elements = Annotated[
    str | None,
    typer.Option(
        help='Elements of numbered atom types, such as "H C O", or of named atoms, such as "OW=O HW1=H MW=NULL"; NULL '
        "leaves atoms out.",
        metavar="SYMBOLS",
    ),
]
Topology = Annotated[
    Path | None, typer.Option(help="Read the trajectory with MDAnalysis and this topology.", metavar="FILE")
]
Units = Annotated[str | None, typer.Option(help="Unit system of a LAMMPS dump; default: metal.", metavar="STYLE")]
Timestep = Annotated[str | None, typer.Option(help='Of the simulation, such as "0.5 fs".', metavar="TIME")]
Dt = Annotated[str | None, typer.Option(help='Between frames, such as "0.1 ps".', metavar="TIME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the table into this file.", metavar="FILE")]
Runs = Annotated[list[Path], typer.Argument(help="Run folders of one system.", metavar="RUN…")]
Discard = Annotated[
    str,
    typer.Option(
        help="What is left out from the beginning: a time; or auto: the first 100 ps, at most half, and nothing of a "
        "stage that goes on at the conditions of the one before it.",
        metavar="auto|TIME",
    ),
]
Stages = Annotated[
    list[str] | None, typer.Option("--stage", help="Name or index of a stage; again for more.", metavar="STAGE")
]
