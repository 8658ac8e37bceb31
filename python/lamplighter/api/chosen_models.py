"""The models that commands and functions hold against reference labels, and what they say of frames."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter import pretrained_weights
from lamplighter.api.files import StrPath, file_of, wrong
from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from ase import Atoms

    from lamplighter.driver.evaluation import Evaluator, OpenEvaluator
    from lamplighter.driver.members import Member
    from lamplighter.observables.predictions import Prediction
    from lamplighter.structures.labels import Labels

ModelFiles = StrPath | Sequence[StrPath] | Mapping[str, "StrPath | Sequence[StrPath]"]
"""Model files, patterns of them, or files of predictions: one, several, or committees by their names."""

PREDICTIONS = ".npz"
_EXPECTED = "a model file, a pattern, a list of these, or committees by their names"


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


def words_of_models(given: ModelFiles | None) -> list[str]:
    """Models as somebody names them in Python, in the words of `--model`: `FILE`, or `COMMITTEE=FILE`.

    Raises:
        LamplighterError: something that is neither a path nor paths.
    """
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [f"{name}={each}" for name, files in given.items() for each in words_of_models(files)]
    several = [given] if isinstance(given, str | os.PathLike) else given
    if not isinstance(several, Iterable) or isinstance(several, bytes):
        raise wrong(given, "--model", _EXPECTED)
    found = []
    for each in several:
        if not isinstance(each, str | os.PathLike) or isinstance(os.fspath(each), bytes):
            raise wrong(each, "--model", _EXPECTED)
        found.append(str(Path(each).expanduser()))
    return found


def require_usable(chosen: Sequence[Chosen], trust: bool) -> None:
    """Tell all that speaks against the models, before anything is read or opened: of all of them at once.

    Raises:
        LamplighterError: files, environments or ranks are lacking; each model is named.
        UntrustedModelError: files that would run code are not trusted, and nobody said yes; each is named.
    """
    from lamplighter.api.ranks import on_first_rank
    from lamplighter.driver import evaluation, model_trust
    from lamplighter.model_files.trust import allow

    members = {each.name: each.member for each in chosen if each.member is not None}
    evaluation.require_all_possible(members)
    potentials = [member.potential for member in members.values()]
    # whether there is a pair style for others is known when the elements are, and comes before a question
    here = [each for each in potentials if each.python is None and each.evaluated_by == "lamplighter"]
    allow(on_first_rank(lambda: model_trust.asked_about(here, trust)))


@dataclass
class ModelChoice:
    """What the options say; made by `usable_models`."""

    models: Sequence[str]
    run_file: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    trust: bool = False

    @functools.cached_property
    def all(self) -> list[Chosen]:
        """The models, in the order given; files and run files are looked at once.

        Raises:
            LamplighterError: there are none, a pattern matches nothing, or a run file cannot be read.
        """
        lacking = [text for text in self.models if not _files(text)[1]]
        if lacking:
            raise LamplighterError(
                f"--model {', '.join(lacking)}: there {'is' if len(lacking) == 1 else 'are'} no such "
                f"file{'' if len(lacking) == 1 else 's'}"
            )
        found = [*self._of_run_file(), *(each for text in self.models for each in self._of_option(text))]
        if not found:
            raise LamplighterError("no model is given: name at least one with --model FILE (or --run-file RUN.yaml)")
        return _with_distinct_names(found)

    def _of_option(self, text: str) -> list[Chosen]:
        committee, files = _files(text)
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


def usable_models(
    models: ModelFiles | None,
    run_file: StrPath | None,
    kind: str | None,
    dtype: str | None,
    device: str | None,
    trust: bool,
) -> ModelChoice:
    """The choice that the arguments make, of which `require_usable` has nothing to say.

    Raises:
        LamplighterError: an option of model files without any, beside a run file that says the same in its own words;
            no model, or one that cannot be used; as `require_usable`.
    """
    words = words_of_models(models)
    path = None if run_file is None else file_of(run_file, "--run-file")
    choice = ModelChoice(
        words, path, settings_of_files(bool(words), path, kind=kind, dtype=dtype, device=device), trust
    )
    require_usable(choice.all, trust)
    return choice


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
    for each in choice.all:
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


def _files(text: str) -> tuple[str, list[Path]]:
    """The committee and the files that `[NAME=]PATTERN` names."""
    committee, pattern = "", text
    if "=" in text and not Path(text).exists():
        committee, _, pattern = text.partition("=")
    path = pretrained_weights.file_of(Path(pattern))
    return committee, [path] if path.is_file() else _matching(path)


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
