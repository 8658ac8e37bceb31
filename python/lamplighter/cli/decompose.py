"""Split errors of models into those inside molecules and those between them.

Errors of forces are also split by what they do to a molecule: move, turn, deform. Each molecule is computed once more
alone in vacuum, at the geometry that it has in its frame, by the models and by the reference method.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import bond_options, model_options, options
from lamplighter.cli.output import show_answer


def decompose(
    frames: model_options.Frames,
    model: model_options.Models = None,
    run_file: model_options.RunFileOption = None,
    kind: model_options.Kind = None,
    dtype: model_options.Dtype = None,
    device: model_options.Device = None,
    trust: model_options.Trust = False,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compute the reference of lone molecules by this method, as `label` takes it: gfn2, module:Class, "
            "a run file.",
            metavar="METHOD",
        ),
    ] = None,
    molecule_labels: Annotated[
        Path | None,
        typer.Option(
            help="Read the reference of lone molecules from this file, in the order of --write-molecules.",
            metavar="FILE",
        ),
    ] = None,
    write_molecules: Annotated[
        Path | None,
        typer.Option(help="Write the lone molecules as extended XYZ into this file, and go on.", metavar="FILE"),
    ] = None,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    energy: model_options.EnergyKey = None,
    forces: model_options.ForcesKey = None,
    group: model_options.Group = "",
    resamples: model_options.Resamples = 1000,
    figure: Annotated[
        Path | None, typer.Option(help="Draw RMSE and relative RMSE of each part into this file.", metavar="FILE")
    ] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import model_errors
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(model_errors.decompose)(
        frames,
        model,
        run_file=run_file,
        kind=kind,
        dtype=dtype,
        device=device,
        trust=trust,
        reference=reference,
        molecule_labels=molecule_labels,
        write_molecules=write_molecules,
        bonds=bonds,
        tolerance=tolerance,
        ions=ions,
        bonded=bonded,
        unbonded=unbonded,
        energy=energy,
        forces=forces,
        group=group,
        resamples=resamples,
    )
    show_answer(answer, figure, csv, as_json)
