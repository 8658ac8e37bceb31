"""Split errors of models into those inside molecules and those between them.

Errors of forces are also split by what they do to a molecule: move, turn, deform. Each molecule is computed once more
alone in vacuum, at the geometry that it has in its frame, by the models and by the reference method.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamplighter.api.bond_rule import bond_rule
from lamplighter.cli import bond_options, model_options, options
from lamplighter.cli.output import show

if TYPE_CHECKING:
    from lamplighter.analysis.isolated_molecules import IsolatedMolecules
    from lamplighter.analysis.model_errors import LabelArrays
    from lamplighter.observables.predictions import Prediction
    from lamplighter.structures.labelled_frames import LabelledFrames

LARGEST_MISMATCH = 1e-3  # eV/atom


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
            help="Compute the reference of lone molecules by this method: gfn2 or gfn1 (tblite).", metavar="METHOD"
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
    from ase.io import write

    from lamplighter.analysis.isolated_molecules import BONDED, isolated_molecules
    from lamplighter.errors import LamplighterError
    from lamplighter.observables.decomposition import decomposition_of_models
    from lamplighter.observables.predictions import committees
    from lamplighter.report.decomposition_text import SHOWN
    from lamplighter.structures.labelled_frames import read_labelled

    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded, BONDED.tolerance) or BONDED
    if reference is not None and molecule_labels is not None:
        raise LamplighterError("give --reference or --molecule-labels, not both")
    choice = model_options.chosen_models(model, run_file, kind, dtype, device, trust)
    choice.all()
    given = read_labelled(frames, energy, forces)
    found = isolated_molecules(given.frames, rule)
    if write_molecules is not None:
        for alone, name, frame in zip(found.molecules, found.names, found.frame_of_molecule, strict=True):
            alone.info |= {"molecule": name, "frame": int(frame)}
        write(write_molecules, found.molecules, format="extxyz")
    known = reference_of_molecules(given, found, reference, molecule_labels)
    together, of_molecules = _predictions(choice, given, found, known is not None)
    method = reference or (molecule_labels.name if molecule_labels else "")
    result = decomposition_of_models(given, found, known, method, committees(together), of_molecules, group, resamples)
    show(result, SHOWN, figure, csv, as_json)


def reference_of_molecules(
    given: LabelledFrames, found: IsolatedMolecules, method: str | None, labels: Path | None
) -> LabelArrays | None:
    """Labels of lone molecules, from a file or by a method; None: neither is given.

    Raises:
        LamplighterError: the file cannot be used, or the labels of the frames are not of the method.
    """
    from lamplighter.analysis.model_errors import label_arrays
    from lamplighter.driver.reference_method import open_reference
    from lamplighter.errors import LamplighterError
    from lamplighter.structures.labelled_frames import read_labelled

    if labels is not None:
        return label_arrays(read_labelled(labels).labels)
    if method is None:
        return None
    calculator = open_reference(method)
    smallest = min(range(len(given)), key=lambda k: len(given.frames[k]))
    again = calculator.evaluate(given.frames[smallest]).energy
    stored = given.labels[smallest].energy
    away = abs(again - stored) / len(given.frames[smallest])
    if away > LARGEST_MISMATCH:
        raise LamplighterError(
            f"the labels {given.keys.energy} are not of {method}: frame {smallest} has {stored:.6g} eV "
            f"there and {again:.6g} eV by {method}. Label the file of --write-molecules by the method of the frames "
            "and give it as --molecule-labels"
        )
    return label_arrays(model_options.labels_of(calculator, found.molecules, calculator.name))


def _predictions(
    choice: model_options.ModelChoice, given: LabelledFrames, found: IsolatedMolecules, alone: bool
) -> tuple[list[Prediction], dict[str, LabelArrays]]:
    """What each model says of the frames, and of the molecules."""
    from lamplighter.observables.predictions import prediction

    together: list[Prediction] = []
    of_molecules: dict[str, LabelArrays] = {}
    for each in choice.all():
        with model_options.evaluator_of(each, given.elements, choice.trust) as evaluator:
            labels = model_options.labels_of(evaluator, given.frames, each.name)
            together.append(prediction(each.name, each.committee, labels))
            if alone:
                made = model_options.labels_of(evaluator, found.molecules, each.name)
                of_molecules[each.name] = prediction(each.name, each.committee, made).arrays
    return together, of_molecules
