"""Compute radial distributions and bond lengths, and tell whether molecules hold.

Molecules and bonds are those that a run decided on, else those of the first frame. With --reference the command also
says how much longer and softer the bonds are than in another run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter.cli import bond_options, options
from lamplighter.cli.output import show


def structure(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, LAMMPS dumps, or any trajectories that ASE reads.", metavar="RUN|TRAJECTORY…"
        ),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Compare bond lengths with those of this run folder or trajectory.", metavar="RUN|TRAJECTORY"
        ),
    ] = None,
    molecules: Annotated[
        str,
        typer.Option(
            help="Show g(r) of all pairs of atoms (all), of those between molecules (inter), or of those within "
            "(intra).",
            metavar="KIND",
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
    from lamplighter.cli.trajectory_source import open_source
    from lamplighter.observables.structure import compared
    from lamplighter.report.structure_text import shown

    wanted = _wanted(
        discard, r_max, bin_width, bond_options.bond_rule(bonds, tolerance, ions, bonded, unbonded), breaks, every
    )
    named = _pairs(molecules, pairs)
    paths = [*trajectories, *([reference] if reference else [])]
    sources = [open_source(path, topology, elements, units, timestep, dt) for path in paths]
    made = [_analysed(source, stage, wanted) for source in sources]
    result = compared(made[: len(trajectories)], made[-1] if reference else None)
    _require_pairs(made, named)
    show(result, shown(molecules, named), figure, csv, as_json)


def _wanted(discard: str, r_max: float | None, bin_width: float, bonds: Any, breaks: float, every: int) -> Any:
    from lamplighter.analysis.bonding import BondRule
    from lamplighter.cli.trajectory_source import discard_option
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.structure import StructureOptions

    if not bin_width > 0.0:
        raise LamplighterError(f"--bin must be > 0 Å, got {bin_width:g}")
    if r_max is not None and not r_max > bin_width:
        raise LamplighterError(f"--r-max must be more than one bin ({bin_width:g} Å), got {r_max:g}")
    tolerance = BondRule().tolerance if bonds is None else bonds.tolerance
    if not tolerance <= breaks < 3.0:
        raise LamplighterError(f"--breaks must lie between --tolerance ({tolerance:g}) and 3, got {breaks:g}")
    if every < 1:
        raise LamplighterError(f"--every must be at least 1, got {every}")
    return StructureOptions(discard_option(discard), r_max, bin_width, bonds, breaks, every)


def _pairs(molecules: str, pairs: str | None) -> list[str] | None:
    from lamplighter.analysis.radial_distribution import KINDS
    from lamplighter.errors import LamplighterError

    if molecules not in KINDS:
        raise LamplighterError(f"--molecules must be one of {', '.join(KINDS)}, got {molecules!r}")
    if pairs is None:
        return None
    named = pairs.replace(",", " ").replace("–", "-").split()
    if not named or any(len(pair.split("-")) != 2 for pair in named):
        raise LamplighterError(f'--pairs: {pairs!r} are no pairs of elements; write e.g. --pairs "C-O O-H"')
    return named


def _require_pairs(made: list[Any], named: list[str] | None) -> None:
    from lamplighter.errors import LamplighterError
    from lamplighter.report.structure_text import chosen, pair_name

    for pair in named or []:
        for one in made:
            found = one.distributions["all"]
            if found and not chosen(found, [pair]):
                known = ", ".join(pair_name(each) for each in found)
                raise LamplighterError(f"--pairs: {one.path} has no pair {pair}; it has {known}")


def _analysed(source: Any, stage: str | None, wanted: Any) -> Any:
    from dataclasses import replace

    from lamplighter.cli.reading_progress import reading_progress
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.structure import structure_of_frames, structure_of_run

    with reading_progress(source, str(source.path)):
        if source.run is not None and source.step_ps is None and source.frame_ps is None:
            return structure_of_run(source.run, stage, wanted, source.frames)
        if stage is not None:
            raise LamplighterError(f"--stage is for run folders whose times are known, not for {source.path}")
        made = structure_of_frames(source.path, source, wanted)
    if source.frames.dropped:
        made = replace(made, notes=[*made.notes, f"{source.path.name}: {source.frames.dropped}"])
    return made
