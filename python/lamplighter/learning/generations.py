"""The generations of a study: their folders, what earlier ones have added, and what is trained."""

from __future__ import annotations

from pathlib import Path

from lamplighter.errors import LamplighterError
from lamplighter.learning.generation import Generation, read_record
from lamplighter.learning.learning import GenerationResult, result_of_record
from lamplighter.learning.study import Study
from lamplighter.training.train_file import KindSection, StartSection, TrainFile

EXPLORED = "explored"
"""The kind of the frames that generations have added."""


def generation_of(study: Study, number: int) -> Generation:
    """A generation by its number, from 0."""
    return Generation(number, study.folder / f"generation_{number}")


def done_before(generation: Generation) -> GenerationResult | None:
    """What was measured of a generation; None: it is not done."""
    if not generation.judgement.is_file():
        return None
    try:
        return result_of_record(read_record(generation.judgement), generation.folder)
    except (KeyError, TypeError) as problem:
        raise LamplighterError(
            f"{generation.judgement} is damaged ({problem}): remove it, and it is made anew"
        ) from None


def added_before(study: Study, generation: Generation) -> list[Path]:
    """What earlier generations have added."""
    before = [generation_of(study, number).added for number in range(generation.number)]
    return [each for each in before if each.is_file()]


def train_files_of(study: Study, generation: Generation) -> list[TrainFile]:
    """What is trained: one file for all models, or one each where each goes on with its own."""
    kinds = dict(study.train_file.data.train)
    if added := added_before(study, generation):
        kinds[EXPLORED] = KindSection(files=added, weight=study.given.selection.weight)
    data = study.train_file.data.model_copy(update={"train": kinds})
    given = study.train_file.model_copy(update={"data": data, "output": generation.training})
    if study.given.begin == "new" or generation.number == 0:
        return [given]
    before = done_before(generation_of(study, generation.number - 1))
    assert before is not None
    return [
        given.model_copy(
            update={
                "seeds": [seed],
                "start": StartSection(model=model, replay=None if given.start is None else given.start.replay),
                "output": generation.training / f"seed_{seed}",
            }
        )
        for seed, model in zip(study.seeds, before.models, strict=True)
    ]
