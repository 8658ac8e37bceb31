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

    from lamplighter.driver.evaluation import Evaluator, OpenEvaluator
    from lamplighter.driver.members import Member
    from lamplighter.observables.predictions import Prediction
    from lamplighter.structures.labels import Labels

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Evaluate this model file, all that match a pattern, or predictions of `errors --save`; "
        "NAME=PATTERN makes a committee. The option can be repeated.",
        metavar="[NAME=]FILE",
    ),
]
RunFileOption = Annotated[
    Path | None,
    typer.Option(
        "--run-file", help="Evaluate the potential of this run file, each of its models for itself.", metavar="FILE"
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(help="The files of --model are of this kind; the default is auto, by their content.", metavar="KIND"),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="Evaluate the files of --model in this precision; the default is auto, as each was made.",
        metavar="auto|float64|float32",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Evaluate the files of --model on this device: auto, cpu, cuda or cuda:K; the default is auto.",
        metavar="DEVICE",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Evaluate the files of --model by this engine: auto, native or bridge; the default is auto.",
        metavar="ENGINE",
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")]
EnergyKey = Annotated[
    str | None,
    typer.Option(
        "--energy",
        help="Read the reference energy, eV, from this key of the frames; the default is found by itself.",
        metavar="KEY",
    ),
]
ForcesKey = Annotated[
    str | None,
    typer.Option(
        "--forces",
        help="Read the reference forces, eV/Å, from this key of the frames; the default is found by itself.",
        metavar="KEY",
    ),
]
StressKey = Annotated[
    str | None,
    typer.Option(
        "--stress",
        help="Read the reference stress, eV/Å³, from this key of the frames; the default is found by itself.",
        metavar="KEY",
    ),
]

Frames = Annotated[Path, typer.Argument(help="Extended XYZ file of frames with reference labels.", metavar="FRAMES")]
Group = Annotated[
    str,
    typer.Option(
        help="Resample frames together that have the same value under this key, such as those of one trajectory.",
        metavar="KEY",
    ),
]
Resamples = Annotated[
    int, typer.Option(help="Resample this number of times for the error bars (bootstrap).", metavar="N", min=100)
]
MoleculeNames = Annotated[
    list[str] | None,
    typer.Option("--name", help="Give a molecule a name, such as EC=C3H4O3. The option can be repeated."),
]

PREDICTIONS = ".npz"


@dataclass(frozen=True)
class Chosen:
    """A potential to evaluate, or a file of predictions.

    Attributes:
        name: Of the model.
        committee: That it belongs to; empty: to none that was named.
        member: A potential with one model; None for predictions.
        predictions: A file of them.
    """

    name: str
    committee: str = ""
    member: Member | None = None
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
        return Chosen(file.stem, committee, potential_of_file(file, self.settings))

    def _of_run_file(self) -> list[Chosen]:
        if self.run_file is None:
            return []
        from lamplighter.driver.members import members_of_run_file

        found = members_of_run_file(self.run_file)
        if len(found) == 1:
            ((name, member),) = found.items()
            return [Chosen(name if member.potential.models else self.run_file.stem, "", member)]
        return [Chosen(name, "", member) for name, member in found.items()]


def chosen_models(
    models: Sequence[str] | None,
    run_file: Path | None,
    kind: str | None,
    dtype: str | None,
    device: str | None,
    trust: bool,
) -> ModelChoice:
    """The choice that a command's options make.

    Raises:
        LamplighterError: an option of model files without any, beside a run file that says the same in its own words.
    """
    settings = settings_of_files(bool(models), run_file, kind=kind, dtype=dtype, device=device)
    return ModelChoice(models or [], run_file, settings, trust)


def settings_of_files(files: bool, run_file: Path | None, **given: str | None) -> dict[str, Any]:
    """Options of model files as keys of `potential`: those that are given.

    Args:
        files: Whether there are model files that they are of.
        run_file: One that is given.
        given: The options.

    Raises:
        LamplighterError: there is a run file alone, which they are not of.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    if settings and run_file is not None and not files:
        name = next(iter(settings))
        raise LamplighterError(
            f"--{name} {settings[name]} is of files that --model names; of {run_file}, potential.{name} counts: write "
            "it there"
        )
    return settings


def potential_of_file(file: Path, settings: dict[str, Any]) -> Member:
    """The potential that a model file alone is.

    Raises:
        LamplighterError: an option has no such value, or is not of this kind.
    """
    from pydantic import ValidationError

    from lamplighter.config.potential import PotentialSection
    from lamplighter.driver.members import Member

    try:
        return Member(PotentialSection.model_validate({"models": [file.resolve()], **settings}))
    except ValidationError as problem:
        first = problem.errors()[0]
        context = first.get("ctx", {})
        said = str(context.get("problem", first["msg"]))
        if first["type"] == "literal_error":
            said = f"must be {context['expected']}, got {first['input']!r}"
        name = first["loc"][0] if first["loc"] else context.get("key", "") or "model"
        raise LamplighterError(f"--{name}: {said}") from None


def evaluator_of(chosen: Chosen, elements: Sequence[str], trust: bool) -> OpenEvaluator:
    """Open a model for frames of these elements.

    Raises:
        LamplighterError: it cannot be opened, or it is a file of predictions, which says nothing of other frames.
    """
    from lamplighter.driver.evaluation import open_evaluator

    if chosen.member is None:
        raise LamplighterError(
            f"--model {chosen.predictions}: predictions of stored frames say nothing of others: name the model itself"
        )
    import matplotlib

    # frameworks print when they are imported, and change how figures look; what this process prints is the result
    with contextlib.redirect_stdout(sys.stderr), matplotlib.rc_context():
        return open_evaluator(chosen.member, elements, trust=trust)


def predict(choice: ModelChoice, frames: Sequence[Atoms], elements: Sequence[str]) -> list[Prediction]:
    """What all chosen models say of frames, one model after the other.

    Raises:
        LamplighterError: a model cannot be opened, does not cover the elements, or refuses a frame.
    """
    from dataclasses import replace

    from lamplighter.observables.predictions import load_predictions, prediction

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
    from lamplighter.driver.evaluation import evaluate_frames
    from lamplighter.progress_line import counted

    with counted(frames, name) as each:
        return list(evaluate_frames(evaluator, each))


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
