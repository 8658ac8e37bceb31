"""Models are trained from a train file: what the command `train` prints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.chosen_models import Chosen, evaluator_of, labels_of, potential_of_file, require_usable
from lamplighter.api.files import StrPath, file_of
from lamplighter.api.ranks import require_alone_or_led

if TYPE_CHECKING:
    from lamplighter.training.member import Evaluate
    from lamplighter.training.train import Training
    from lamplighter.training.train_file import TrainFile

CURVE = "learning_curve"
"""The learning curves in the folder of a training, `.csv` and `.png`."""


@in_words_of_python
def train(
    train_file: Mapping[str, Any] | StrPath,
    output: StrPath | None = None,
    *,
    trust: bool = False,
    progress: bool = True,
) -> Answer[Training]:
    """Train models, one for each seed, by the program of their package: what `lamplighter train` prints.

    A call that was broken off goes on when it is repeated. It is called on one rank; `lamplighter train` works under
    mpirun, too, where the first rank trains and all of them evaluate.

    Args:
        train_file: A file, or what it holds, by its keys.
        output: Folder, in place of the file's.
        trust: Put the start model on your list of trusted files. Models that are trained here are put on it.
        progress: Show the progress on a terminal.

    Returns:
        `members`, each with its `model`, `curve`, `errors` of each set, `checks`, `record`; `notes`; a figure `curve`.

    Raises:
        LamplighterError: train file, data or start model are no good, the program failed, or what it left is not what
            was asked for; or it is called on several ranks.
        EnvironmentProblem: the package is not there.
        RunFolderBusy: another process trains into the same folder.

    Source: docs/how_to/train.md.
    """
    from lamplighter.report.training_text import SHOWN
    from lamplighter.training.train_file import load_train_file

    given = load_train_file(Path(train_file).expanduser() if isinstance(train_file, str | os.PathLike) else train_file)
    if output is not None:
        given = given.model_copy(update={"output": file_of(output, "--output").absolute()})
    require_alone_or_led("ll.train", "start the script without mpirun, or train by the command `lamplighter train`")
    if given.start is not None:
        require_usable([chosen_of(given.start.model, given)], trust)

    return Answer(trained(given, progress), SHOWN)


def trained(given: TrainFile, progress: bool) -> Training:
    """Carry a train file out, and keep the learning curves in its folder. Arguments and errors as `train`."""
    from lamplighter.report.training_text import SHOWN
    from lamplighter.training.train import train as carry_out

    def keep(done: Training) -> None:
        SHOWN.write_tables(done, done.folder / f"{CURVE}.csv")
        SHOWN.draw(done, done.folder / f"{CURVE}.png")

    return carry_out(given, evaluation_of(given), keep, progress)


def chosen_of(file: Path, given: TrainFile) -> Chosen:
    """A model of a training, to be evaluated where it was trained."""
    return Chosen(file.stem, "", potential_of_file(file, given.potential_of(file)))


def evaluation_of(given: TrainFile) -> Evaluate:
    """Errors of a model file by what `lamplighter errors` evaluates with."""

    def evaluate(file: Path, frames: Path) -> Any:
        from lamplighter.analysis.model_errors import frames_that_lead
        from lamplighter.observables.model_errors import errors_of_models
        from lamplighter.observables.predictions import prediction
        from lamplighter.structures.labelled_frames import read_labelled
        from lamplighter.training.member import SetErrors

        names = given.data.labels
        own = frames not in given.data.test.values()  # written here, with names of its own
        keys = ("REF_energy", "REF_forces", None) if own else (names.energy, names.forces, names.stress)
        labelled = read_labelled(frames, *keys)
        chosen = chosen_of(file, given)
        require_usable([chosen], trust=True)  # it was made here just now, or the start model was asked about before
        with evaluator_of(chosen, labelled.elements, trust=True) as evaluator:
            made = prediction(file.stem, "", labels_of(evaluator, labelled.frames, file.stem))
        found = errors_of_models(labelled, [made], resamples=100)
        leading = frames_that_lead(made.arrays, found.reference)
        return SetErrors.of_table(len(labelled), found.results[0].table, len(leading))

    return evaluate
