"""What would end a study later is found before anything costs time."""

from __future__ import annotations

from lamplighter.building.recipe import load_recipe
from lamplighter.config.run_file import StructureSection
from lamplighter.errors import LamplighterError
from lamplighter.learning.labels import keys_of_data, method_of
from lamplighter.learning.study import Study
from lamplighter.structures.start import read_start_structure
from lamplighter.training.environment import PackagePython
from lamplighter.training.train import TRAINERS
from lamplighter.training.train_file import TrainFile
from lamplighter.training.training_data import TrainingData, read_training_data


def require_trainable(given: TrainFile) -> TrainingData:
    """Refuse a training of which data or trainer cannot be used.

    Returns:
        The data.

    Raises:
        LamplighterError: what is missing or wrong is named.
        EnvironmentProblem: the trainer's package is not there.
    """
    data = read_training_data(given.data)
    for seed in given.seeds:
        data.of_member(seed, given.subset)
    trainer = TRAINERS[given.trainer]
    trainer.require_settings(given.settings, PackagePython(trainer, given.python, given.threads).known)
    return data


def require_ready(study: Study, trust: bool) -> None:
    """Refuse a study of which data, trainer, labeller or starts cannot be used.

    Args:
        study: The study.
        trust: Put model files of the labeller on the user's list of trusted files.

    Raises:
        LamplighterError: what is missing or wrong is named.
        EnvironmentProblem: the trainer's or the labeller's package is not there.
    """
    data = require_trainable(study.train_file)
    keys_of_data(study)
    method_of(study).require_possible(trust)
    known = {symbol for frames in data.kinds.values() for each in frames for symbol in each.atoms.symbols}
    for name, recipe in study.recipes.items():
        try:
            load_recipe(recipe)
        except LamplighterError as problem:
            raise type(problem)(f"exploration.starts.{name}: {problem}") from None
    for name, file in study.files.items():
        elements = set(read_start_structure(StructureSection(file=file)).elements)
        if lacking := sorted(elements - known):
            raise LamplighterError(
                f"exploration.starts.{name}: {file} has {', '.join(lacking)}, and no training frame does: add frames "
                "of it, or leave this start out"
            )
