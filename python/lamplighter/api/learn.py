"""Active learning from a study file: what the command `learn` prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter import launcher
from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.chosen_models import evaluator_of, labels_of, require_usable
from lamplighter.api.files import StrPath, file_of
from lamplighter.api.liquids import quality
from lamplighter.api.page import leave_page
from lamplighter.api.ranks import require_alone_or_led
from lamplighter.api.train import chosen_of, trained
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.names import PAGE
from lamplighter.training.train_file import TrainFile

if TYPE_CHECKING:
    from ase import Atoms

    from lamplighter.learning.ablation import Ablation, AblationResult
    from lamplighter.learning.cost import AblationCost, Cost
    from lamplighter.learning.learn_file import QualitySection
    from lamplighter.learning.learning import Learning
    from lamplighter.learning.study import Study
    from lamplighter.learning.tools import Tools
    from lamplighter.observables.quality import QualityOfRuns
    from lamplighter.structures.labels import Labels

TABLE = "learning"
"""Numbers of all generations in the folder of a study, `.csv`, `.png`, and `.html`: the page."""


@in_words_of_python
def learn(
    study: Mapping[str, Any] | StrPath,
    output: StrPath | None = None,
    *,
    trust: bool = False,
    progress: bool = True,
) -> Answer[Learning]:
    """Train, explore, label and train again until it is enough: what `lamplighter learn` prints.

    A call that was broken off goes on when it is repeated. It is called on one rank; its runs have ranks of their own.

    Args:
        study: A study file, or what it holds, by its keys.
        output: Folder, in place of the file's.
        trust: Put the start model and model files of the labeller on your list of trusted files. Models that are
            trained here are put on it.
        progress: Say on standard error what is done.

    Returns:
        `generations`, each with its `models`, `errors`, `force_scales`, `environments`, `bonds`, `runs`, `uncertain`,
        `added`; `models`, those of the last one; `ended`, why it was enough; `notes`; figures `learning`, `energy`,
        `components`, `stress`, `scale`, `environments` and `bonds`.

    Raises:
        LamplighterError: the study or what it names is no good, a part failed, or it has changed since a generation was
            begun; or it is called on several ranks.
        EnvironmentProblem: the trainer's package is not there.
        RunFolderBusy: another process carries it out.
        Interrupted: a signal came; the same call goes on.

    Source: docs/how_to/learn.md.
    """
    from lamplighter.learning.learn import learn as carry_out
    from lamplighter.report.learning_text import SHOWN

    require_alone_or_led("ll.learn", "start the script without mpirun: `exploration.ranks` is that of its runs")
    read = _read(study, output)
    _ready(read, trust)

    return Answer(carry_out(read, _tools(read, progress)), SHOWN)


def means_ablation(file: Path) -> bool:
    """Whether a file means many trainings or studies.

    Raises:
        ConfigError: it cannot be read.
    """
    from lamplighter.config.loading import read_mapping
    from lamplighter.learning.ablation import is_ablation

    return is_ablation(read_mapping(file, "study file", "training, labeller, exploration and stop"))


@in_words_of_python
def ablation(
    file: Mapping[str, Any] | StrPath, output: StrPath | None = None, *, trust: bool = False, progress: bool = True
) -> Answer[AblationResult]:
    """Many trainings or studies from one file with a base and axes: what `lamplighter learn` prints of one.

    A call that was broken off goes on when it is repeated. It is called on one rank.

    Args:
        file: An ablation file, or what it holds, by its keys.
        output: Folder, in place of the file's name without `.yaml`.
        trust: Put start models and model files of labellers on your list of trusted files.
        progress: Say on standard error what is done.

    Returns:
        `points`, each with its `labels`, `members` and, of studies, `learning`; `differences(quantity)`; `missing`;
        figures `forces` and `energy`.

    Raises:
        LamplighterError: a point is not valid (it is named), or cannot be carried out; or it is called on several
            ranks.
        EnvironmentProblem: a trainer's package is not there.
        Interrupted: a signal came; the same call goes on.

    Source: docs/how_to/ablation.md.
    """
    from lamplighter.learning.ablation import carry_out
    from lamplighter.learning.learn import learn as carry_out_study
    from lamplighter.report.ablation_page import ablation_page
    from lamplighter.report.ablation_text import SHOWN
    from lamplighter.report.page.files import write_page

    require_alone_or_led("ll.ablation", "start the script without mpirun")
    read = _ready_ablation(file, output, trust)

    def keep(made: AblationResult) -> None:
        made.folder.mkdir(parents=True, exist_ok=True)
        SHOWN.write_tables(made, made.folder / "ablation.csv")
        write_page(ablation_page(made), made.folder / "ablation.html")

    made = carry_out(
        read,
        lambda given: trained(given, progress),
        lambda study: carry_out_study(study, _tools(study, progress)),
        _say(progress),
        keep,
    )
    return Answer(made, SHOWN)


@in_words_of_python
def cost_of_ablation(
    file: Mapping[str, Any] | StrPath, output: StrPath | None = None, *, trust: bool = False
) -> Answer[AblationCost]:
    """What an ablation will still cost: trainings, steps and labels of each point. Nothing is started.

    Data, trainer, labeller and starts of all points are checked. Arguments and errors as `ablation`.
    """
    from lamplighter.learning.cost import cost_of_ablation as counted
    from lamplighter.report.learning_cost_text import SHOWN_OF_ABLATION

    return Answer(counted(_ready_ablation(file, output, trust)), SHOWN_OF_ABLATION)


@in_words_of_python
def ablation_so_far(file: Mapping[str, Any] | StrPath, output: StrPath | None = None) -> Answer[AblationResult]:
    """What there is of an ablation so far; nothing is started. Arguments and errors as `ablation`."""
    from lamplighter.learning.ablation import ablation_so_far as so_far
    from lamplighter.learning.ablation import load_ablation
    from lamplighter.report.ablation_text import SHOWN

    return Answer(so_far(load_ablation(*_file_and_folder(file, output))), SHOWN)


@in_words_of_python
def learning_so_far(study: Mapping[str, Any] | StrPath, output: StrPath | None = None) -> Answer[Learning]:
    """What there is of a study so far; nothing is started. Arguments and errors as `learn`."""
    from lamplighter.learning.learn import learning_so_far as so_far
    from lamplighter.report.learning_text import SHOWN

    return Answer(so_far(_read(study, output)), SHOWN)


@in_words_of_python
def cost_of_learning(
    study: Mapping[str, Any] | StrPath, output: StrPath | None = None, *, trust: bool = False
) -> Answer[Cost]:
    """What a study will cost: epochs, steps and labels of each generation. Nothing is started.

    Arguments and errors as `learn`.
    """
    from lamplighter.learning.cost import cost_of
    from lamplighter.report.learning_cost_text import SHOWN

    read = _read(study, output)
    _ready(read, trust)
    return Answer(cost_of(read), SHOWN)


def _read(study: Mapping[str, Any] | StrPath, output: StrPath | None) -> Study:
    from lamplighter.learning.study import load_study

    return load_study(*_file_and_folder(study, output))


def _file_and_folder(
    file: Mapping[str, Any] | StrPath, output: StrPath | None
) -> tuple[Path | Mapping[str, Any], Path | None]:
    folder = None if output is None else file_of(output, "--output").absolute()
    return (Path(file).expanduser() if isinstance(file, str | os.PathLike) else file), folder


def _say(progress: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if progress:
            print(text, file=sys.stderr, flush=True)

    return say


def _tools(study: Study, progress: bool) -> Tools:
    """What trains, evaluates and compiles for a study, and keeps its tables and pages."""
    from lamplighter.learning.tools import Tools
    from lamplighter.report.learning_page import learning_page
    from lamplighter.report.learning_text import SHOWN
    from lamplighter.report.page.files import write_page

    def keep(made: Learning) -> None:
        SHOWN.write_tables(made, made.folder / f"{TABLE}.csv")
        SHOWN.draw(made, made.folder / f"{TABLE}.png")
        write_page(learning_page(made), made.folder / f"{TABLE}.html")
        for each in made.generations:
            page = each.folder / PAGE
            if each.explored and not page.exists():
                leave_page([each.folder / "exploration" / run.name for run in each.runs], page, each.folder.name)

    return Tools(
        lambda given: trained(given, progress),
        _predictions(study),
        _compilation(study),
        _quality,
        _say(progress),
        keep,
        progress,
    )


def _ready_ablation(file: Mapping[str, Any] | StrPath, output: StrPath | None, trust: bool) -> Ablation:
    from lamplighter.learning.ablation import load_ablation
    from lamplighter.learning.ready import require_trainable

    read = load_ablation(*_file_and_folder(file, output))
    for point in read.points:
        try:
            if not isinstance(point.asked, TrainFile):
                _ready(point.asked, trust)
                continue
            if point.asked.start is not None:
                require_usable([chosen_of(point.asked.start.model, point.asked)], trust)
            require_trainable(point.asked)
        except LamplighterError as problem:
            raise type(problem)(f"{point.name}: {problem}") from None
    return read


def _ready(study: Study, trust: bool) -> None:
    """Refuse what is missing, before anything costs time."""
    from lamplighter.learning.ready import require_ready

    if study.train_file.start is not None:
        require_usable([chosen_of(study.train_file.start.model, study.train_file)], trust)
    require_ready(study, trust)


def _compilation(study: Study) -> Any:
    """What `lamplighter compile` does, in the environment that the models were trained in."""

    def compiled(models: Sequence[Path], training: Path, output: Path) -> None:
        python = study.train_file.python or Path(sys.executable)
        words = ["compile", *map(str, models), "-o", str(output), "--training", str(training), "--trust"]
        if (head := study.train_file.potential_of(models[0]).get("head")) is not None:
            words += ["--head", head]
        done = subprocess.run(
            [str(python), "-c", "from lamplighter.cli import main; main()", *words],
            env=launcher.without_launcher(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            why = done.stderr.strip() or f"it ended with status {done.returncode}"
            raise LamplighterError(
                f"selection.by: extrapolation needs models that are compiled with their training set, and "
                f"{' and '.join(map(str, models))} cannot be: {why.removeprefix('Error: ')}"
            )

    return compiled


def _quality(runs: Sequence[Path], references: Sequence[Path], section: QualitySection) -> QualityOfRuns:
    """What `lamplighter quality` says."""
    found: QualityOfRuns = quality(
        list(runs),
        reference=list(references),
        horizon=section.horizon,
        discard=section.discard,
        discard_nvt=section.discard_nvt,
        block=section.block,
        block_spacing=section.block_spacing,
        ballistic=section.ballistic,
    ).result
    return found


def _predictions(study: Study) -> Any:
    """What a model says of frames, by what `lamplighter errors` evaluates with."""

    def predict(model: Path, frames: Sequence[Atoms]) -> list[Labels]:
        chosen = chosen_of(model, study.train_file)
        require_usable([chosen], trust=True)  # it was made here
        elements = sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
        with evaluator_of(chosen, elements, trust=True) as evaluator:
            return labels_of(evaluator, frames, model.stem)

    return predict
