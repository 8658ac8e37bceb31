"""Compare E(V) of models with a reference as a liquid is expanded or compressed.

Cell and centres of mass are scaled, molecules keep their geometry; zero is the energy of the isolated molecules.
Models are evaluated in LAMMPS as in a run, on any number of ranks; the reference on the first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import bond_options, model_options, options
from lamplighter.cli.method_options import Option, options_of
from lamplighter.cli.output import show_answer


def scan(
    frame: Annotated[
        Path | None,
        typer.Argument(
            help="Structure of the liquid: anything that ASE reads, LAMMPS data or a dump. Of a run folder the "
            "volume scan is shown.",
            metavar="[FRAME]",
        ),
    ] = None,
    density: Annotated[
        str | None,
        typer.Option(
            help="Scan these densities, g/cm³: LOW:HIGH:NUMBER, or values with commas; the default is 0.1:2.5:25.",
            metavar="DENSITIES",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="Evaluate this model file, or the potential of a run file. The option can be repeated.", metavar="FILE"
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compare with a reference method as `label` takes it (gfn2, module:Class, a run file), or with an "
            "XYZ file of labelled frames, which are the scan then.",
            metavar="METHOD|FILE",
        ),
    ] = None,
    option: Option = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Read the reference energy, eV, from this key of the frames; the default is found by itself.",
            metavar="KEY",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(help="Take only labelled frames that have this value under this key.", metavar="KEY=VALUE"),
    ] = None,
    index: Annotated[
        int, typer.Option(help="Take this frame of a file with several; -1 is the last.", metavar="N")
    ] = -1,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    atomic: Annotated[bool, typer.Option("--atomic", help="Treat every atom as a molecule of its own.")] = False,
    kind: model_options.Kind = None,
    dtype: model_options.Dtype = None,
    device: model_options.Device = None,
    engine: model_options.Engine = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", help="Use this number of threads for the model on each rank; the default is cores / ranks."
        ),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            help="Write frames and isolated molecules as extended XYZ into this file, with the labels of --reference.",
            metavar="FILE",
        ),
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the curves into this file.", metavar="FILE")] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import volume_scan
    from lamplighter.api.answer import in_words_of_commands
    from lamplighter.driver import environment

    environment.limit_openmp()
    answer = in_words_of_commands(volume_scan.volume_scan)(
        frame,
        model,
        density=density,
        reference=reference,
        options=options_of(option),
        energy=energy,
        select=select,
        index=index,
        bonds=bonds,
        tolerance=tolerance,
        ions=ions,
        bonded=bonded,
        unbonded=unbonded,
        atomic=atomic,
        kind=kind,
        dtype=dtype,
        device=device,
        engine=engine,
        threads=threads,
        trust=trust,
        write=write,
    )
    if answer is not None:
        show_answer(answer, figure, csv, as_json)
