"""Compare E(V) of models with a reference as a liquid is expanded or compressed.

Cell and centres of mass are scaled, molecules keep their geometry; zero is the energy of the isolated molecules.
Models are evaluated in LAMMPS as in a run, on any number of ranks; the reference on the first.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter.api.bond_rule import bond_rule
from lamplighter.cli import bond_options, model_options, options
from lamplighter.cli.output import show


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
            help="Compare with gfn2, with an ASE calculator module:Class, or with an XYZ file of labelled frames, "
            "which are the scan then.",
            metavar="METHOD|FILE",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="Give the class of --reference this argument. The option can be repeated.", metavar="KEY=VALUE"
        ),
    ] = None,
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
    from lamplighter.cli.scan_models import energies_of, members_of
    from lamplighter.config.volume_scan import DENSITIES
    from lamplighter.driver import environment
    from lamplighter.driver.reference_method import open_calculator
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.scan_frames import ScanFrames, generated, labelled
    from lamplighter.observables.stored_scan import read_scan
    from lamplighter.observables.volume_scan import Energies, volume_scan
    from lamplighter.report.volume_scan_text import SHOWN

    evaluating = {"--density": density, "--model": model, "--reference": reference, "--write": write}
    environment.limit_openmp()
    is_file = reference is not None and Path(reference).is_file()
    if frame is not None and frame.is_dir():
        if given := [name for name, value in evaluating.items() if value]:
            raise LamplighterError(f"{frame} is a run folder, whose volume scan is shown: leave out {given[0]}")
        show(read_scan(frame), SHOWN, figure, csv, as_json)
        return
    if not (model or reference or write):
        raise LamplighterError("nothing is to be done: give --model FILE, --reference METHOD or --write FILE")

    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded)

    def frames_of_scan() -> ScanFrames:
        if not is_file:
            if select or energy:
                raise LamplighterError("--select and --energy are for --reference FILE of labelled frames")
            densities = _densities(density or DENSITIES)
            return generated(frame, index, densities, rule, atomic)
        if frame is not None or density is not None:
            raise LamplighterError(
                f"--reference {reference} is a file of labelled frames, which are the scan: leave out FRAME and "
                "--density"
            )
        return labelled(Path(str(reference)), energy, select, rule, atomic)

    chosen = members_of(model or [], kind=kind, dtype=dtype, device=device, engine=engine)
    found = frames_of_scan()
    told: tuple[str, Energies] | None = None
    if is_file:
        told = (Path(str(reference)).stem, found.labels)
    elif reference is not None:
        # before LAMMPS is loaded, whose plain linear algebra other libraries could take for their own
        words = dict(map(_option, option or ()))
        told = found.evaluated(open_calculator(reference, words).evaluate, reference)
    if write is not None:
        found.write(write, told is not None)
    models = {name: energies_of(found, member, name, threads, trust) for name, member in chosen.items()}
    if models or told:
        made = volume_scan(found.source, found.frames, found.molecules, models, told, found.notes)
        show(made, SHOWN, figure, csv, as_json)


def _densities(text: str) -> list[float]:
    """`0.1:2.5:25` or `0.5,0.8,1.1`: ascending densities, g/cm³.

    Raises:
        LamplighterError: as `parse_densities`.
    """
    from lamplighter.config.volume_scan import parse_densities
    from lamplighter.errors import LamplighterError

    try:
        return parse_densities(text)
    except ValueError as problem:
        raise LamplighterError(f"--density {problem}") from None


def _option(text: str) -> tuple[str, Any]:
    """`key=value`; values are Python literals, anything else is text."""
    from lamplighter.errors import LamplighterError

    key, sign, value = text.partition("=")
    if not sign or not key.isidentifier():
        raise LamplighterError(f"--option {text!r} must be key=value, e.g. method=GFN2-xTB")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value
