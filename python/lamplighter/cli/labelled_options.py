"""Options of `report` that hold the models of runs against labelled frames, and trajectories against a training set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamplighter.api.chosen_models import Chosen, ModelChoice, evaluator_of, labels_of
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from ase import Atoms

    from lamplighter.analysis.isolated_molecules import IsolatedMolecules
    from lamplighter.analysis.model_errors import LabelArrays
    from lamplighter.report.page.labelled import Labelled, Predict
    from lamplighter.structures.labelled_frames import LabelledFrames

LabelledFile = Annotated[
    Path | None,
    typer.Option(
        "--labelled",
        help="Show errors of the runs' models on these frames, which have reference labels.",
        metavar="FRAMES",
    ),
]
Predictions = Annotated[
    list[Path] | None,
    typer.Option(
        help="Use predictions that `errors --save` kept for these frames, in place of evaluating the models "
        "of these names. The option can be repeated.",
        metavar="FILE.npz",
    ),
]
LoneMolecules = Annotated[
    str | None,
    typer.Option(
        help="Take the reference of lone molecules from this method, as `label` takes it, or from a file of labels in "
        "the order of `decompose --write-molecules`.",
        metavar="METHOD|FILE",
    ),
]
Trained = Annotated[
    list[Path] | None,
    typer.Option(help="Mark the compositions of this training data. The option can be repeated.", metavar="FILE"),
]
ExtrapolationFit = Annotated[
    Path | None,
    typer.Option(
        "--extrapolation",
        help="Show Q-residuals against this training set, a file of `extrapolation fit`.",
        metavar="FILE.npz",
    ),
]


def labelled(
    frames: Path | None,
    keys: tuple[str | None, str | None, str | None],
    predictions: Sequence[Path],
    group: str,
    lone_molecules: str | None,
    trained: Sequence[Path],
    names: Sequence[str],
) -> Labelled | None:
    """The options as `report.page.labelled.Labelled`; None without frames.

    Raises:
        LamplighterError: frames, predictions or training data cannot be used, or options contradict each other.
    """
    if frames is None:
        others = {
            "--predictions": predictions, "--group": group, "--lone-molecules": lone_molecules, "--trained": trained,
            "--name": names, "--energy": keys[0], "--forces": keys[1], "--stress": keys[2],
        }  # fmt: skip
        useless = [name for name, value in others.items() if value]
        if useless:
            raise LamplighterError(f"{useless[0]} is of labelled frames: give them, too (--labelled FRAMES)")
        return None
    from lamplighter.analysis.isolated_molecules import BONDED
    from lamplighter.api.transfer import pair, training_compositions
    from lamplighter.report.page.labelled import Labelled
    from lamplighter.structures.labelled_frames import read_labelled

    if predictions and lone_molecules is not None:
        raise LamplighterError(
            "--predictions are of whole frames and say nothing of lone molecules (--lone-molecules): give one of both"
        )
    given = read_labelled(frames, *keys)
    if group:
        given.info(group)  # a wrong name is told before anything is evaluated
    called = dict(pair("--name", text)[::-1] for text in names)
    return Labelled(
        given,
        _predict(given, predictions),
        group,
        called,
        training_compositions([str(path) for path in trained], "molecules", called, BONDED),
        None if lone_molecules is None else partial(_lone_labels, lone_molecules),
        lone_molecules or "",
    )


def _predict(given: LabelledFrames, stored_in: Sequence[Path]) -> Predict:
    """What the models of a run say, each evaluated once however many runs have it; always of the same structures."""
    from lamplighter.observables.predictions import Prediction, load_predictions, prediction
    from lamplighter.run_folder.names import RUN_FILE

    stored = {each.name: each.arrays for path in stored_in for each in load_predictions(path, given.frames)}
    evaluated: dict[str, LabelArrays] = {}

    def said(chosen: Chosen, structures: Sequence[Atoms]) -> LabelArrays:
        if chosen.name in stored:
            return stored[chosen.name]
        key = repr(chosen.member or chosen.name)
        if key not in evaluated:
            with evaluator_of(chosen, given.elements, trust=False) as evaluator:
                labels = labels_of(evaluator, structures, chosen.name)
            evaluated[key] = prediction(chosen.name, "", labels).arrays
        return evaluated[key]

    def predict(run: Path, structures: Sequence[Atoms]) -> list[Prediction]:
        models = ModelChoice([], run / RUN_FILE).all
        if stored and not any(each.name in stored for each in models):
            raise LamplighterError(
                f"the predictions are of {', '.join(stored)}, and the models of the run are "
                f"{', '.join(each.name for each in models)}: give theirs, or none (--predictions)"
            )
        return [Prediction(each.name, "", said(each, structures)) for each in models]

    return predict


def _lone_labels(source: str, given: LabelledFrames, found: IsolatedMolecules) -> LabelArrays:
    from lamplighter.api.model_errors import reference_of_molecules

    file = Path(source) if Path(source).is_file() else None
    made = reference_of_molecules(given, found, None if file else source, file)
    if made is None:
        raise LamplighterError("--lone-molecules needs a method or a file")
    return made
