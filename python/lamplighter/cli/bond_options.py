"""Options that say which atoms are bonded, alike in all commands that find molecules; `docs/theory/bonds.md`."""

from __future__ import annotations

from typing import Annotated

import typer

from lamplighter.cli.completion import one_of

Bonds = Annotated[
    str | None,
    typer.Option(
        help="Take bonds from geometry, or from a file (lines ID1 ID2, or LAMMPS data with Bonds); the "
        "default is what the run decided, else geometry.",
        metavar="geometry|FILE",
    ),
]
Tolerance = Annotated[
    str | None,
    typer.Option(help="Atoms closer than this times the sum of their covalent radii are bonded.", metavar="X"),
]
Ions = Annotated[
    str | None,
    typer.Option(
        help="With auto metal ions are not bonded to molecules; with none radii alone decide.",
        metavar="auto|none",
        autocompletion=one_of("auto", "none"),
    ),
]
Bonded = Annotated[
    str | None,
    typer.Option(
        help='Treat these as bonded, whatever --ions says: pairs of elements, "Zn-N", or atoms by ID, "12-57".',
        metavar="PAIRS",
    ),
]
Unbonded = Annotated[
    str | None,
    typer.Option(
        help='Treat these as not bonded: elements, "Li", pairs, "Zn-O", or atoms by ID, "12-57".', metavar="WORDS"
    ),
]
