"""Compare errors of models from one composition of a liquid to the next.

The command also says whether the data fix the energy of each species (N − M rule). Compositions are told apart by
their proportions. Where molecules are named (--name), frames that hold others are left out. A committee that is named
(--model NAME=PATTERN) is one row, its mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamplighter.api.bond_rule import bond_rule
from lamplighter.cli import bond_options, model_options, options
from lamplighter.cli.molecule_options import pair, training_compositions
from lamplighter.cli.output import show
from lamplighter.errors import LamplighterError


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
        str, typer.Option(help="Count compositions in molecules or in elements.", metavar="molecules|elements")
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
    from lamplighter.analysis.isolated_molecules import BONDED
    from lamplighter.observables.predictions import committees
    from lamplighter.observables.transfer import compositions_of, only_named, rows_of, transfer_of_models
    from lamplighter.report.transfer_text import SHOWN
    from lamplighter.structures.labelled_frames import read_labelled

    if species not in ("molecules", "elements"):
        raise LamplighterError(f"--species must be molecules or elements, got {species!r}")
    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded, BONDED.tolerance) or BONDED
    called = dict(pair("--name", text)[::-1] for text in name or [])
    choice = model_options.chosen_models(model, run_file, kind, dtype, device, trust)
    choice.all()
    sets = [read_labelled(path, energy, forces) for path in frames]
    together = [atoms for each in sets for atoms in each.frames]
    labels = [label for each in sets for label in each.labels]
    elements = list(dict.fromkeys(symbol for each in sets for symbol in each.elements))
    made_of = compositions_of(together, species, called, rule)
    notes = [note for each in sets for note in each.notes]
    if called:
        kept, made_of, left_out = only_named(made_of, list(called.values()))
        notes += left_out
        together, labels = [together[k] for k in kept], [labels[k] for k in kept]
    known = training_compositions(trained or [], species, called, rule)
    constraints = [_coefficients(text, made_of.species) for text in constraint or []]
    predictions = model_options.predict(choice, together, elements)
    rows = rows_of(committees(predictions))
    result = transfer_of_models(labels, made_of, rows, known, most, constraints)
    result.notes.extend(notes)
    show(result, SHOWN, figure, csv, as_json)


def _coefficients(text: str, species: list[str]) -> list[int]:
    """`Li=1 F6P=-1` as one number for each species."""
    found = dict.fromkeys(species, 0)
    for word in text.replace(",", " ").split():
        name, value = pair("--constraint", word)
        if name not in found:
            raise LamplighterError(f"--constraint {text}: no {name!r} among the species {', '.join(species)}")
        try:
            found[name] = int(value)
        except ValueError:
            raise LamplighterError(f"--constraint {text}: {value!r} is no whole number") from None
    return list(found.values())
