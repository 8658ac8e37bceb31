"""The loop: train, explore, select, label, measure; each part goes on where it was, as its own files say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lamplighter.campaign.campaign_file import load_campaign
from lamplighter.campaign.state import states_of
from lamplighter.driver.run_lock import RunLock
from lamplighter.errors import RunFolderBusy
from lamplighter.json_text import flat, plain
from lamplighter.learning.chosen import chosen_before, chosen_frames, held_against_labels
from lamplighter.learning.examined import examined, examined_before, notes_of, sets_examined, sets_examined_before
from lamplighter.learning.exploration import explored
from lamplighter.learning.generation import Generation, unwritable, write_record
from lamplighter.learning.generations import added_before, done_before, generation_of, train_files_of
from lamplighter.learning.judgement import Judged, MeanErrors, errors_of_sets, judged
from lamplighter.learning.labels import LABELLER, labelled, require_same_labels, rests_on
from lamplighter.learning.learning import ElementEnvironments, GenerationResult, Learning, record_of
from lamplighter.learning.quality import quality_of
from lamplighter.learning.selection import ALONG
from lamplighter.learning.study import Study
from lamplighter.learning.tools import Tools
from lamplighter.learning.uncertainty import compiled_with_training_set, threshold_of
from lamplighter.model_files.trust import sha256
from lamplighter.structures.labelled_frames import read_frames, read_labelled
from lamplighter.training.member import Member
from lamplighter.training.train_file import NO_PART_OF_IT


def learn(study: Study, tools: Tools) -> Learning:
    """Carry a study out, from wherever it is, until one of its rules says that it is enough.

    Raises:
        LamplighterError: a part failed, or the study has changed since a generation was begun.
        RunFolderBusy: another process carries it out.
        Interrupted: a signal came; the same call goes on.
    """
    results: list[GenerationResult] = []
    missing: list[str] = []
    with _alone(study.folder):
        for note in require_same_labels(study, study.folder / LABELLER, tools.progress):
            tools.say(note)
        for number in range(study.given.stop.generations):
            generation = generation_of(study, number)
            _begin(study, generation)
            result = done_before(generation)
            done_now = result is None or not result.explored
            if result is None or not result.explored:
                result = _explored_generation(study, generation, tools)
            results.append(examined(study, generation, result, tools, missing))
            ended = enough(study, results)
            if done_now or ended:
                made = _made(study, results, ended, sets_examined(study, missing), missing)
                tools.after_each(made)
            if ended:
                return made
        last = generation_of(study, study.given.stop.generations)
        _begin(study, last)
        result = done_before(last)
        result = _last_generation(study, last, tools) if result is None else result
        results.append(examined(study, last, result, tools, missing))
        ended = f"{study.given.stop.generations} generations are done; {last.name} is trained on all that was found"
        made = _made(study, results, ended, sets_examined(study, missing), missing)
        tools.after_each(made)
        return made


def learning_so_far(study: Study) -> Learning:
    """What there is of a study; nothing is started."""
    results = []
    for number in range(study.given.stop.generations + 1):
        generation = generation_of(study, number)
        result = done_before(generation)
        if result is None:
            break
        results.append(examined_before(generation, result))
    under_way = progress_of(study, generation_of(study, len(results)))
    n = study.given.stop.generations
    ended = next((said for k in range(min(n, len(results))) if (said := enough(study, results[: k + 1]))), "")
    ended = ended or (f"{n} generations are done" if len(results) > n else "")
    sets = sets_examined_before(study)
    return Learning(study.folder, results, ended, "" if ended else under_way, sets, notes_of(study, results))


def _made(
    study: Study,
    results: Sequence[GenerationResult],
    ended: str,
    sets: list[ElementEnvironments],
    missing: Sequence[str],
) -> Learning:
    return Learning(study.folder, list(results), ended, environments=sets, notes=notes_of(study, results, missing))


def progress_of(study: Study, generation: Generation) -> str:
    """How far a generation is, as its files say; empty: it has not begun."""
    if not generation.asked.is_file():
        return ""
    trained = len(list(generation.training.glob("**/models/*.json")))
    said = [f"{trained} of {len(study.seeds)} models trained"]
    if generation.campaign.is_file():
        states = Counter(each.state for each in states_of(load_campaign(generation.campaign)))
        said.append("runs: " + ", ".join(f"{number} {state}" for state, number in states.items()))
    if generation.selection.is_file():
        said.append("frames chosen")
    if generation.labelled.is_file():
        said.append("labelled")
    return f"{generation.name}: {'; '.join(said)}"


def enough(study: Study, results: Sequence[GenerationResult]) -> str:
    """Which rule the last of some generations meets; empty: none."""
    stop, result = study.given.stop, results[-1]
    share = 1.0 - result.certain / result.planned if result.planned else 1.0
    if stop.uncertain_share is not None and result.explored and share <= stop.uncertain_share:
        return (
            f"{result.certain} of {result.planned} runs of generation {result.number} hold without an uncertain frame"
        )
    along = result.errors.get(ALONG)
    if stop.forces is not None and along is not None and along.forces.mean <= stop.forces.metal:
        return (
            f"along the runs of generation {result.number} the RMSE of forces is {along.forces.mean:.4f} eV/Å, and "
            f"{stop.forces.metal:g} is enough"
        )
    before = results[-2].quality if len(results) > 1 else None
    if stop.quality is not None and before is not None and result.quality is not None:
        rise = result.quality.value - before.value
        if rise <= stop.quality:
            return (
                f"Q of generation {result.number} is {result.quality.value:.3f}, {rise:+.3f} beside the one "
                f"before, and {stop.quality:g} is no gain"
            )
    return ""


def _begin(study: Study, generation: Generation) -> None:
    """What the result of a generation rests on: no times, numbers of processes, or rules to stop by.

    Paths below the study file's folder are noted relative to it, so that both may be moved together.
    """
    given = study.given.model_dump(
        mode="json",
        exclude={
            "training": True,
            "stop": True,
            "output": True,
            "evaluation": {"bonds"},
            "exploration": {"run", "at_once", "starts"},
            "labeller": {"workers", "threads", "timeout"},
        },
    )
    data = study.train_file.data
    start = study.train_file.start
    files = [file for kind in data.train.values() for file in kind.files]
    files += data.validation if isinstance(data.validation, list) else []
    files += [] if start is None else [start.model, *([start.replay] if start.replay else [])]
    files += study.first_models
    files += [*data.test.values(), *study.files_that_are_named, *added_before(study, generation)]
    starts = study.given.exploration.starts.model_dump(mode="json", exclude={"recipes", "files"})
    wanted: dict[str, Any] = {
        **given,
        "training": study.train_file.model_dump(mode="json", exclude=set(NO_PART_OF_IT)),
        "exploration": {
            **given["exploration"],
            "run": study.run,
            "starts": {**starts, "recipes": study.recipes, "files": study.files},
        },
        "labeller": {**given["labeller"], "rests_on": rests_on(study)},
        "sha256": {str(file): sha256(file) for file in files},
    }
    generation.begin(flat(study.portable(plain(wanted))), study.portable)


def _explored_generation(study: Study, generation: Generation, tools: Tools) -> GenerationResult:
    members, frames, said_of_data = _trained(study, generation, tools)
    models = [each.model for each in members] or study.first_models
    above = threshold_of(study, generation, models, tools)
    if not generation.selection.is_file():
        tools.say(f"{generation.name}: runs")
        before = generation_of(study, generation.number - 1) if generation.number else None
        by_one = study.given.selection.by == "extrapolation"
        exploring = [compiled_with_training_set(study, generation, models, tools)] if by_one else models
        states, left_out = explored(study, generation, before, exploring, above, tools.say)
        chosen_frames(study, generation, states, left_out, above)
    outcomes, planned, notes = chosen_before(generation)
    notes = [*said_of_data, *notes]
    found: dict[str, Judged] = {}
    added = 0
    if generation.chosen.is_file():
        tools.say(f"{generation.name}: labels")
        made = labelled(study, generation.chosen, generation.labelled, tools.progress)
        notes += made.notes + [f"{each.formula}: {each.why}: set aside, without labels" for each in made.failures]
        tools.say(f"{generation.name}: errors")
        found = held_against_labels(study, generation, models, tools)
        added = found["selected"].errors.frames if "selected" in found else 0
    sets = errors_of_sets(members) if members else errors_of_given(study, models, tools)
    errors = sets | {name: each.errors for name, each in found.items()}
    quality, said = quality_of(study, generation, models, tools.quality, tools.say)
    notes += said
    along = found.get(ALONG) if len(models) > 1 else None
    result = GenerationResult(
        generation.number,
        generation.folder,
        models,
        frames,
        errors,
        True,
        study.given.selection.measure,
        above,
        outcomes,
        planned,
        added,
        float("nan") if along is None else along.calibration,
        float("nan") if along is None else along.correlation,
        quality,
        sum(each.wall_s for each in members),
        notes,
    )
    write_record(generation.judgement, record_of(result))
    return result


def _last_generation(study: Study, generation: Generation, tools: Tools) -> GenerationResult:
    """Models of all that was found; they explore nothing."""
    members, frames, said_of_data = _trained(study, generation, tools)
    wall = sum(each.wall_s for each in members)
    models = [each.model for each in members]
    quality, notes = quality_of(study, generation, models, tools.quality, tools.say)
    errors = errors_of_sets(members)
    result = GenerationResult(
        generation.number,
        generation.folder,
        models,
        frames,
        errors,
        False,
        quality=quality,
        wall_s=wall,
        notes=[*said_of_data, *notes],
    )
    write_record(generation.judgement, record_of(result))
    return result


def _trained(study: Study, generation: Generation, tools: Tools) -> tuple[list[Member], dict[str, int], list[str]]:
    """The models of a generation, how many frames they were trained on by kind, and what their training says.

    Of models that are taken as they are there is none of it.
    """
    if study.first_models and generation.number == 0:
        return [], {}, []
    files = train_files_of(study, generation)
    tools.say(f"{generation.name}: trains {len(study.seeds)} model{'' if len(study.seeds) == 1 else 's'}")
    made = [tools.train(each) for each in files]
    members = [member for each in made for member in each.members]
    kinds = files[0].data.train
    frames = {kind: sum(_several_atoms(file) for file in section.files) for kind, section in kinds.items()}
    return members, frames, list(dict.fromkeys(note for each in made for note in each.notes))


def errors_of_given(study: Study, models: Sequence[Path], tools: Tools) -> dict[str, MeanErrors]:
    """Of models that were not trained here, over the test sets."""
    names = study.train_file.data.labels
    found = {}
    for name, file in study.train_file.data.test.items():
        given = read_labelled(file, names.energy, names.forces, names.stress)
        found[name] = judged(models, given.frames, given.labels, tools.predict).errors
    return found


def _several_atoms(file: Path) -> int:
    return sum(len(atoms) > 1 or bool(atoms.pbc.any()) for atoms in read_frames(file)[0])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = RunLock(folder, lambda: None)
    except RunFolderBusy as problem:
        raise RunFolderBusy(f"the study is being carried out already: {problem}") from None
    except OSError as problem:
        raise unwritable(folder, problem) from problem
    try:
        yield
    finally:
        lock.release()
