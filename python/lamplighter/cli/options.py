"""Options that several commands have, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Elements = Annotated[
    str | None,
    typer.Option(
        help='Say which elements numbered atom types are, such as "H C O", or named atoms, such as "OW=O '
        'HW1=H MW=NULL". NULL leaves atoms out.',
        metavar="SYMBOLS",
    ),
]
Topology = Annotated[
    Path | None, typer.Option(help="Read the trajectory with MDAnalysis and this topology.", metavar="FILE")
]
Units = Annotated[
    str | None, typer.Option(help="Read a LAMMPS dump in this unit style; the default is metal.", metavar="STYLE")
]
Timestep = Annotated[
    str | None, typer.Option(help='The simulation had this timestep, such as "0.5 fs".', metavar="TIME")
]
Dt = Annotated[str | None, typer.Option(help='Frames are this time apart, such as "0.1 ps".', metavar="TIME")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, in place of text.")]
Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv", help="Write the tables as CSV into this file; of several, each into FILE_NAME.csv.", metavar="FILE"
    ),
]
Runs = Annotated[list[Path], typer.Argument(help="Run folders, all of one system; or a campaign.", metavar="RUN…")]
Discard = Annotated[
    str,
    typer.Option(
        help="Leave out this time from the beginning of each run. auto leaves out the first 100 ps, at most "
        "half, and nothing of a stage that goes on at the conditions of the one before it.",
        metavar="auto|TIME",
    ),
]
Stages = Annotated[
    list[str] | None,
    typer.Option("--stage", help="Take the stage of this name or index. The option can be repeated.", metavar="STAGE"),
]
