"""Errors of models against reference labels: what the commands `errors` and `decompose` print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.bond_rule import rule_of_frames
from lamplighter.api.chosen_models import (
    ModelChoice,
    ModelFiles,
    evaluator_of,
    labels_of,
    predict,
    usable_models,
)
from lamplighter.api.files import StrPath, file_of
from lamplighter.api.methods import opened_method
from lamplighter.api.ranks import on_first_rank
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.analysis.isolated_molecules import IsolatedMolecules
    from lamplighter.analysis.model_errors import LabelArrays
    from lamplighter.observables.decomposition import Decomposition
    from lamplighter.observables.model_errors import ModelErrors
    from lamplighter.observables.predictions import Prediction
    from lamplighter.structures.labelled_frames import LabelledFrames

LARGEST_MISMATCH = 1e-3  # eV/atom
FEWEST_RESAMPLES = 100


@in_words_of_python
def model_errors(
    frames: StrPath,
    models: ModelFiles | None = None,
    *,
    run_file: StrPath | None = None,
    kind: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    trust: bool = False,
    energy: str | None = None,
    forces: str | None = None,
    stress: str | None = None,
    reference: str | None = None,
    by: str = "",
    group: str = "",
    resamples: int = 1000,
    frame_errors: StrPath | None = None,
    save: StrPath | None = None,
) -> Answer[ModelErrors]:
    """Energies, forces and stresses of models against reference labels: what `lamplighter errors` prints.

    Args:
        frames: Extended XYZ file of frames with reference labels.
        models: Model files, patterns, or predictions of `save`; a mapping of names to files makes committees.
        run_file: A run file, each of whose models is evaluated for itself.
        kind, dtype, device: Of the files in `models`; None: `auto`.
        trust: Put the model files on your list of trusted files.
        energy, forces, stress: Keys of the labels; None: found by themselves.
        reference: The labels are computed by this method, as `label` takes it, in place of those of the file.
        by: Key of the frames by whose values errors are given for parts, too.
        group: Key of frames that are resampled together.
        resamples: How often, for the error bars (bootstrap), at least 100.
        frame_errors: The errors of each frame are written into this file, as CSV.
        save: The predictions are kept in this file, `.npz`, for `models` of a call in another environment.

    Returns:
        `models`, each with RMSE and MAE by quantity, the committee's mean, `notes`; figures `parity` and `along`.

    Raises:
        LamplighterError: frames, labels or models cannot be used; of several models all is told at once.

    Source: docs/how_to/model_errors.md.

    Example:
        ```python
        errors = ll.model_errors("labelled.xyz", "model.lamp")
        print(errors)
        ```
    """
    from lamplighter.observables.model_errors import errors_of_models
    from lamplighter.observables.predictions import save_predictions
    from lamplighter.report.model_errors_text import FRAMES, SHOWN
    from lamplighter.structures.labelled_frames import read_labelled

    _require_resamples(resamples)
    if reference and (key := next((key for key in (energy, forces, stress) if key), None)):
        raise LamplighterError(f"--reference computes labels, and {key!r} is a key of labels that are there: give one")
    choice = usable_models(models, run_file, kind, dtype, device, trust)  # a wrong name is told before anything is read
    path = file_of(frames, "frames")
    given = _labelled_by(path, reference, trust) if reference else read_labelled(path, energy, forces, stress)
    predictions = predict(choice, given.frames, given.elements)
    if save is not None:
        kept = file_of(save, "--save")
        on_first_rank(lambda: save_predictions(kept, predictions, given.frames))
    result = errors_of_models(given, predictions, by, group, resamples)
    if frame_errors is not None:
        table = file_of(frame_errors, "--frame-errors")
        on_first_rank(lambda: FRAMES.write_tables(result, table, option="--frame-errors"))
    return Answer(result, SHOWN)


@in_words_of_python
def decompose(
    frames: StrPath,
    models: ModelFiles | None = None,
    *,
    run_file: StrPath | None = None,
    kind: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    trust: bool = False,
    reference: str | None = None,
    molecule_labels: StrPath | None = None,
    write_molecules: StrPath | None = None,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    energy: str | None = None,
    forces: str | None = None,
    group: str = "",
    resamples: int = 1000,
) -> Answer[Decomposition]:
    """Errors of models inside molecules and between them: what `lamplighter decompose` prints.

    Args:
        frames, models, run_file, kind, dtype, device, trust, energy, forces, group, resamples: As of `model_errors`.
        reference: Method by which lone molecules are computed, as `label` takes it.
        molecule_labels: File with their labels, in its place, in the order of `write_molecules`.
        write_molecules: The lone molecules are written into this file, as extended XYZ.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).

    Returns:
        RMSE of each part of each model, with errors, `notes`.

    Raises:
        LamplighterError: frames, labels or models cannot be used; of several models all is told at once.

    Source: docs/how_to/decomposition.md.
    """
    from lamplighter.analysis.isolated_molecules import isolated_molecules
    from lamplighter.observables.decomposition import decomposition_of_models
    from lamplighter.observables.predictions import committees
    from lamplighter.report.decomposition_text import SHOWN
    from lamplighter.structures.labelled_frames import read_labelled

    _require_resamples(resamples)
    rule = rule_of_frames(bonds, tolerance, ions, bonded, unbonded)
    if reference is not None and molecule_labels is not None:
        raise LamplighterError("give --reference or --molecule-labels, not both")
    choice = usable_models(models, run_file, kind, dtype, device, trust)
    stored = None if molecule_labels is None else file_of(molecule_labels, "--molecule-labels")
    given = read_labelled(file_of(frames, "frames"), energy, forces)
    found = isolated_molecules(given.frames, rule)
    if write_molecules is not None:
        written = file_of(write_molecules, "--write-molecules")
        on_first_rank(lambda: _write_molecules(written, found))
    known = reference_of_molecules(given, found, reference, stored)
    together, of_molecules = _predictions(choice, given, found, known is not None)
    method = reference or (stored.name if stored else "")
    result = decomposition_of_models(given, found, known, method, committees(together), of_molecules, group, resamples)
    return Answer(result, SHOWN)


def reference_of_molecules(
    given: LabelledFrames, found: IsolatedMolecules, method: str | None, labels: Path | None
) -> LabelArrays | None:
    """Labels of lone molecules, from a file or by a method; None: neither is given.

    Raises:
        LamplighterError: the file cannot be used, or the labels of the frames are not of the method.
    """
    from lamplighter.analysis.model_errors import label_arrays
    from lamplighter.structures.labelled_frames import read_labelled

    if labels is not None:
        return label_arrays(read_labelled(labels).labels)
    if method is None:
        return None
    smallest = min(range(len(given)), key=lambda k: len(given.frames[k]))
    with opened_method(method, None, "--reference", given.elements) as calculator:
        again = calculator.evaluate(given.frames[smallest]).energy
        _require_alike(given, smallest, again, method)
        return label_arrays(labels_of(calculator, found.molecules, method))


def _require_alike(given: LabelledFrames, smallest: int, again: float, method: str) -> None:
    """Labels of frames and of lone molecules are of one method: one of the frames is computed again."""
    stored = given.labels[smallest].energy
    away = abs(again - stored) / len(given.frames[smallest])
    if away > LARGEST_MISMATCH:
        raise LamplighterError(
            f"the labels {given.keys.energy} are not of {method}: frame {smallest} has {stored:.6g} eV "
            f"there and {again:.6g} eV by {method}. Label the file of --write-molecules by the method of the frames "
            "(lamplighter label) and give it as --molecule-labels"
        )


def _labelled_by(path: Path, method: str, trust: bool) -> LabelledFrames:
    """Frames with labels that are computed now, one after the other: `label` keeps them, and has several processes."""
    from lamplighter.structures.labelled_frames import LabelKeys, LabelledFrames, read_frames

    frames, dropped = read_frames(path)
    name = Path(method).name
    keys = LabelKeys(f"energy of {name}", f"forces of {name}", f"stress of {name}")
    given = LabelledFrames(path, frames, [], keys, [f"{path.name}: {dropped}"] if dropped else [])
    with opened_method(method, None, "--reference", given.elements, trust) as evaluator:
        given.labels += labels_of(evaluator, frames, name)
    if all(np.isnan(each.stress).any() for each in given.labels):
        given.keys = replace(keys, stress=None)
        if any(all(atoms.pbc) for atoms in frames):
            given.notes.append(f"{name} gives no stress of these frames: none is compared")
    return given


def _require_resamples(number: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < FEWEST_RESAMPLES:
        raise LamplighterError(f"--resamples must be a whole number of {FEWEST_RESAMPLES} at least, got {number!r}")


def _write_molecules(path: Path, found: IsolatedMolecules) -> None:
    from ase.io import write

    for alone, name, frame in zip(found.molecules, found.names, found.frame_of_molecule, strict=True):
        alone.info |= {"molecule": name, "frame": int(frame)}
    try:
        write(path, found.molecules, format="extxyz", parallel=False)
    except OSError as problem:
        raise LamplighterError(
            f"--write-molecules {path} cannot be written: {problem.strerror or problem}"
        ) from problem


def _predictions(
    choice: ModelChoice, given: LabelledFrames, found: IsolatedMolecules, alone: bool
) -> tuple[list[Prediction], dict[str, LabelArrays]]:
    """What each model says of the frames, and of the molecules."""
    from lamplighter.observables.predictions import prediction

    together: list[Prediction] = []
    of_molecules: dict[str, LabelArrays] = {}
    for each in choice.all:
        with evaluator_of(each, given.elements, choice.trust) as evaluator:
            labels = labels_of(evaluator, given.frames, each.name)
            together.append(prediction(each.name, each.committee, labels))
            if alone:
                made = labels_of(evaluator, found.molecules, each.name)
                of_molecules[each.name] = prediction(each.name, each.committee, made).arrays
    return together, of_molecules
