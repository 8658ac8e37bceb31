"""What is asked of a generation that is done; each answer is kept in a file, so that none is found twice.

A question that cannot be answered, as a package is missing, is said and asked again the next time: it ends no study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from lamplighter.errors import EnvironmentProblem, Interrupted, LamplighterError
from lamplighter.learning.environments import OF_ALL, environments_of_generation, environments_of_sets
from lamplighter.learning.generation import Generation, read_record
from lamplighter.learning.labels import notes_of_labeller
from lamplighter.learning.learning import (
    ElementEnvironments,
    GenerationResult,
    bond_of_record,
    environments_of_record,
    over_models_of_record,
)
from lamplighter.learning.softening import bonds_of_generation, force_scales, what_bonds_are_held_against
from lamplighter.learning.study import Study
from lamplighter.learning.tools import Tools

T = TypeVar("T")


def examined(
    study: Study, generation: Generation, result: GenerationResult, tools: Tools, missing: list[str]
) -> GenerationResult:
    """A generation with the scale of its forces, its environments, and the bonds along its runs.

    Args:
        study: The study.
        generation: That is done.
        result: What was measured of it.
        tools: What evaluates models.
        missing: Gets a line for what an installation lacks.

    Raises:
        Interrupted: a signal came.
    """
    if not generation.force_scales.is_file():
        tools.say(f"{generation.name}: force scales, environments, bonds")
    notes: list[str] = []

    def answer(what: str, ask: Callable[[], T]) -> T | None:
        return _answer(what, ask, notes, missing)

    scales = answer("the scale of forces", lambda: force_scales(study, generation, result.models, tools.predict))
    environments = answer("environments", lambda: environments_of_generation(study, generation))
    bonds, said = answer("bond lengths", lambda: bonds_of_generation(study, generation, result)) or ([], [])
    return replace(
        result,
        force_scales=scales or {},
        environments=environments or [],
        bonds=bonds,
        notes=[*result.notes, *notes, *said],
    )


def examined_before(generation: Generation, result: GenerationResult) -> GenerationResult:
    """The same, as far as files have it; nothing is evaluated."""
    scales, environments, bonds = (
        read_record(path)["found"] if path.is_file() else empty
        for path, empty in (
            (generation.force_scales, {}),
            (generation.environments, []),
            (generation.bonds, {"bonds": [], "notes": []}),
        )
    )
    return replace(
        result,
        force_scales={name: over_models_of_record(each) for name, each in scales.items()},
        environments=[environments_of_record(each) for each in environments],
        bonds=[bond_of_record(each) for each in bonds["bonds"]],
        notes=[*result.notes, *bonds["notes"]],
    )


def sets_examined(study: Study, missing: list[str]) -> list[ElementEnvironments]:
    """Environments of the first training set and the test sets; arguments and errors as `examined`."""
    return _answer("environments", lambda: environments_of_sets(study), missing, missing) or []


def sets_examined_before(study: Study) -> list[ElementEnvironments]:
    """The same, as far as files have it."""
    path = study.folder / OF_ALL
    return [environments_of_record(each) for each in read_record(path)["found"]] if path.is_file() else []


def notes_of(study: Study, results: Sequence[GenerationResult], missing: Sequence[str] = ()) -> list[str]:
    """What is to be known of a study as a whole; what is to be known of a generation is said with it."""
    notes = [*notes_of_labeller(study), *dict.fromkeys(missing)]
    if study.first_models:
        notes.append(
            "generation 0 was not trained here, and what its models were trained on is not known: environments are "
            "held against the frames of the train file"
        )
    if len(study.seeds) == 1:
        notes.append("there is one model a generation: errors and force scales have no spread over models")
    if not study.given.evaluation.along:
        notes.append("errors along the runs are not known: evaluation.along asks for frames at random, to be labelled")
    if any(each.bonds for each in results):
        notes.append(
            f"bond lengths are held against {what_bonds_are_held_against(study)}"
            + (
                ", whatever these are of: evaluation.bonds names a trajectory of the reference under the same "
                "conditions"
                if study.given.evaluation.bonds is None
                else ""
            )
        )
    return notes


def _answer(what: str, ask: Callable[[], T], notes: list[str], missing: list[str]) -> T | None:
    try:
        return ask()
    except Interrupted:
        raise
    except EnvironmentProblem as problem:
        missing.append(f"{what} cannot be had: {problem}; the same command adds them later")
    except LamplighterError as problem:
        notes.append(f"{what} cannot be had: {problem}")
    return None
