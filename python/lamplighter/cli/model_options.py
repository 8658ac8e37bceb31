"""Models that commands hold against reference labels: their options, and what they say of frames."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from ase import Atoms

    from lamplighter.config.run_file import Potential
    from lamplighter.engine.evaluation import Evaluator, FrameEvaluator
    from lamplighter.report.predictions import Prediction
    from lamplighter.structures.labels import Labels

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Model file, a pattern of them, or predictions of --save; NAME=PATTERN makes a committee; again for more.",
        metavar="[NAME=]FILE",
    ),
]
RunFileOption = Annotated[
    Path | None,
    typer.Option(
        "--run-file", help="Take the potential section of this run file, each of its models for itself.", metavar="FILE"
    ),
]
Kind = Annotated[str, typer.Option(help="Of the models; auto: by their content.", metavar="KIND")]
Dtype = Annotated[str, typer.Option(help="Of the evaluation.", metavar="float64|float32")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.", metavar="DEVICE")]
Trust = Annotated[bool, typer.Option("--trust", help="Put the model files on the list of trusted files.")]
EnergyKey = Annotated[str | None, typer.Option("--energy", help="Name of the reference energy, eV.", metavar="KEY")]
ForcesKey = Annotated[str | None, typer.Option("--forces", help="Of the forces, eV/Å.", metavar="KEY")]
StressKey = Annotated[str | None, typer.Option("--stress", help="Of the stress, eV/Å³.", metavar="KEY")]

PREDICTIONS = ".npz"


@dataclass(frozen=True)
class Chosen:
    """A potential to evaluate, or a file of predictions.

    Attributes:
        name: Of the model.
        committee: That it belongs to; empty: to none that was named.
        potential: Of a run file, with one model; None for predictions.
        predictions: A file of them.
    """

    name: str
    committee: str = ""
    potential: Potential | None = None
    predictions: Path | None = None


@dataclass
class ModelChoice:
    """What the options say; see `chosen_models`."""

    models: Sequence[str]
    run_file: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    trust: bool = False

    def all(self) -> list[Chosen]:
        """The models, in the order given.

        Raises:
            LamplighterError: there are none, a pattern matches nothing, or a run file cannot be read.
        """
        found = [*self._of_run_file(), *(each for text in self.models for each in self._of_option(text))]
        if not found:
            raise LamplighterError("no model is given: name at least one with --model FILE (or --run-file RUN.yaml)")
        return _with_distinct_names(found)

    def _of_option(self, text: str) -> list[Chosen]:
        committee, pattern = "", text
        if "=" in text and not Path(text).exists():
            committee, _, pattern = text.partition("=")
        path = Path(pattern)
        files = [path] if path.is_file() else _matching(path)
        if not files:
            raise LamplighterError(f"--model {text}: there is no such file")
        return [self._of_file(file, committee) for file in files]

    def _of_file(self, file: Path, committee: str) -> Chosen:
        if file.suffix == PREDICTIONS:
            return Chosen(file.stem, committee, predictions=file)
        return Chosen(file.stem, committee, potential=_potential({"models": [file.resolve()], **self.settings}))

    def _of_run_file(self) -> list[Chosen]:
        if self.run_file is None:
            return []
        from lamplighter.config.loading import load_run_file

        given = load_run_file(self.run_file).potential
        if given.models:
            return [Chosen(file.stem, "", given.model_copy(update={"models": [file]})) for file in given.models]
        if given.members:
            lines = [given.model_copy(update={"members": [], "lammps": member}) for member in given.members]
            return [Chosen(f"{self.run_file.stem}[{k}]", "", each) for k, each in enumerate(lines)]
        return [Chosen(self.run_file.stem, "", given)]


def chosen_models(
    models: Sequence[str] | None, run_file: Path | None, kind: str, dtype: str, device: str, trust: bool
) -> ModelChoice:
    """The choice that a command's options make."""
    settings: dict[str, Any] = {"kind": kind}
    if kind != "deepmd":
        settings |= {"dtype": dtype, "device": device}
    return ModelChoice(models or [], run_file, settings, trust)


def evaluator_of(chosen: Chosen, elements: Sequence[str], trust: bool) -> FrameEvaluator:
    """Open a model for frames of these elements.

    Raises:
        LamplighterError: it cannot be opened, or it is a file of predictions, which says nothing of other frames.
    """
    from lamplighter.engine.evaluation import open_evaluator

    if chosen.potential is None:
        raise LamplighterError(
            f"--model {chosen.predictions}: predictions of stored frames say nothing of others: name the model itself"
        )
    import matplotlib

    # frameworks print when they are imported, and change how figures look; what this process prints is the result
    with contextlib.redirect_stdout(sys.stderr), matplotlib.rc_context():
        return open_evaluator(chosen.potential, elements, trust=trust)


def predict(choice: ModelChoice, frames: Sequence[Atoms], elements: Sequence[str]) -> list[Prediction]:
    """What all chosen models say of frames, one model after the other.

    Raises:
        LamplighterError: a model cannot be opened, does not cover the elements, or refuses a frame.
    """
    from dataclasses import replace

    from lamplighter.report.predictions import load_predictions, prediction

    made: list[Prediction] = []
    for each in choice.all():
        if each.predictions is not None:
            stored = load_predictions(each.predictions, frames)
            made += [replace(found, committee=each.committee or found.committee) for found in stored]
            continue
        with evaluator_of(each, elements, choice.trust) as evaluator:
            made.append(prediction(each.name, each.committee, labels_of(evaluator, frames, each.name)))
    return made


def labels_of(evaluator: Evaluator, frames: Sequence[Atoms], name: str) -> list[Labels]:
    """What a model or reference says of frames; a terminal shows at which it is. Raises as `evaluate_frames`."""
    from lamplighter.counting import counted
    from lamplighter.engine.evaluation import evaluate_frames

    with counted(frames, name) as each:
        return list(evaluate_frames(evaluator, each))


def _potential(content: dict[str, Any]) -> Potential:
    from pydantic import ValidationError

    from lamplighter.config.run_file import Potential

    try:
        return Potential.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise LamplighterError(f"--{first['loc'][0] if first['loc'] else 'model'}: {first['msg']}") from None


def _matching(pattern: Path) -> list[Path]:
    anchor = Path(pattern.anchor or ".")
    if not pattern.name or not any(sign in str(pattern) for sign in "*?["):
        return []
    return sorted(path for path in anchor.glob(str(pattern.relative_to(pattern.anchor))) if path.is_file())


def _with_distinct_names(found: list[Chosen]) -> list[Chosen]:
    """Names of files that occur twice get their number."""
    from dataclasses import replace

    names = [each.name for each in found]
    return [
        replace(each, name=f"{each.name} ({names[:k].count(each.name) + 1})") if names.count(each.name) > 1 else each
        for k, each in enumerate(found)
    ]
