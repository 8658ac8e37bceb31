"""Compare errors of models from one composition of a liquid to the next.

The command also says whether the data fix the energy of each species (N − M rule). Compositions are told apart by
their proportions. Where molecules are named (--name), frames that hold others are left out. A committee that is named
(--model NAME=PATTERN) is one row, its mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.cli import bond_options, model_options, options
from lamplighter.cli.completion import one_of
from lamplighter.cli.output import show_answer


def transfer(
    frames: Annotated[
        list[Path], typer.Argument(help="Extended XYZ files of frames with reference labels.", metavar="FRAMES…")
    ],
    model: model_options.Models = None,
    run_file: model_options.RunFileOption = None,
    kind: model_options.Kind = None,
    dtype: model_options.Dtype = None,
    device: model_options.Device = None,
    trust: model_options.Trust = False,
    trained: Annotated[
        list[str] | None,
        typer.Option(
            help="Mark the compositions of this training data, which is of all models, or of one row. The option "
            "can be repeated.",
            metavar="[ROW=]FILE",
        ),
    ] = None,
    species: Annotated[
        str,
        typer.Option(
            help="Count compositions in molecules or in elements.",
            metavar="molecules|elements",
            autocompletion=one_of("molecules", "elements"),
        ),
    ] = "molecules",
    name: model_options.MoleculeNames = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(
            help='Compositions obey this relation, such as that of charges, "Li=1 F6P=-1". The option can be repeated.',
            metavar="TEXT",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option(help="Show this number of compositions, the most frequent.", metavar="N", min=1)
    ] = 24,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    energy: model_options.EnergyKey = None,
    forces: model_options.ForcesKey = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the heat map into this file.", metavar="FILE")] = None,
    csv: options.Csv = None,
    as_json: options.Json = False,
) -> None:
    from lamplighter.api import transfer as of_compositions
    from lamplighter.api.answer import in_words_of_commands

    answer = in_words_of_commands(of_compositions.transfer)(
        frames,
        model,
        run_file=run_file,
        kind=kind,
        dtype=dtype,
        device=device,
        trust=trust,
        trained=trained,
        species=species,  # type: ignore[arg-type]  # it says what is wrong
        names=name or (),
        constraints=constraint or (),
        most=most,
        bonds=bonds,
        tolerance=tolerance,
        ions=ions,
        bonded=bonded,
        unbonded=unbonded,
        energy=energy,
        forces=forces,
    )
    show_answer(answer, figure, csv, as_json)
