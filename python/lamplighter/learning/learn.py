"""The loop: train, explore, select, label, measure; each part goes on where it was, as its own files say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write as write_frames

from lamplighter.campaign.campaign_file import load_campaign
from lamplighter.campaign.state import RunState, states_of
from lamplighter.config.stages import Minimise, steps_of
from lamplighter.driver.run_lock import RunLock
from lamplighter.errors import LamplighterError, RunFolderBusy
from lamplighter.learning.candidates import Candidate, candidates
from lamplighter.learning.exploration import explored
from lamplighter.learning.generation import Generation, flat, read_record, unwritable, write_record
from lamplighter.learning.judgement import Judged, Predict, errors_of_sets, judged, outcome_of
from lamplighter.learning.labels import PREFIX, keys_of_data, labelled, require_same_labels, write_as_data
from lamplighter.learning.learn_file import MEASURES, CalibratedSection, Study
from lamplighter.learning.learning import (
    GenerationResult,
    Learning,
    RunOutcome,
    outcome_of_record,
    result_of_record,
)
from lamplighter.learning.selection import (
    ADD,
    ALONG,
    Chosen,
    along_runs,
    at_interval,
    distinct,
    drawn,
    first_uncertain,
    not_among,
)
from lamplighter.model_files.trust import sha256
from lamplighter.run_folder.run import Run
from lamplighter.structures.labelled_frames import read_frames, read_labelled
from lamplighter.training.member import Member
from lamplighter.training.train import Training
from lamplighter.training.train_file import KindSection, StartSection, TrainFile


@dataclass(frozen=True)
class Tools:
    """What the loop is handed, as it evaluates no models itself.

    Attributes:
        train: Train what a resolved train file says.
        predict: What a model file says of frames.
        compiled: Compile models, with a file of their training set, into a file.
        say: Told what is done.
        after_each: Called with what there is, after each generation.
        progress: Show the progress of parts on a terminal.
    """

    train: Callable[[TrainFile], Training]
    predict: Predict
    compiled: Callable[[Sequence[Path], Path, Path], None]
    say: Callable[[str], None] = lambda text: None
    after_each: Callable[[Learning], None] = lambda learning: None
    progress: bool = True


def learn(study: Study, tools: Tools) -> Learning:
    """Carry a study out, from wherever it is, until one of its rules says that it is enough.

    Raises:
        LamplighterError: a part failed, or the study has changed since a generation was begun.
        RunFolderBusy: another process carries it out.
        Interrupted: a signal came; the same call goes on.
    """
    results: list[GenerationResult] = []
    with _alone(study.folder):
        require_same_labels(study, study.folder / "labeller", tools.progress)
        for number in range(study.given.stop.generations):
            generation = generation_of(study, number)
            _begin(study, generation)
            result = done_before(generation)
            if result is None or not result.explored:
                result = _explored_generation(study, generation, tools)
            results.append(result)
            ended = enough(study, result)
            made = Learning(study.folder, list(results), ended)
            tools.after_each(made)
            if ended:
                return made
        last = generation_of(study, study.given.stop.generations)
        _begin(study, last)
        result = done_before(last)
        results.append(_last_generation(study, last, tools) if result is None else result)
        ended = f"{study.given.stop.generations} generations are done; {last.name} is trained on all that was found"
        made = Learning(study.folder, results, ended)
        tools.after_each(made)
        return made


def learning_so_far(study: Study) -> Learning:
    """What there is of a study; nothing is started."""
    results = []
    for number in range(study.given.stop.generations + 1):
        result = done_before(generation_of(study, number))
        if result is None:
            break
        results.append(result)
    under_way = progress_of(study, generation_of(study, len(results)))
    n = study.given.stop.generations
    ended = next((said for each in results[:n] if (said := enough(study, each))), "")
    ended = ended or (f"{n} generations are done" if len(results) > n else "")
    return Learning(study.folder, results, ended, "" if ended else under_way)


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


def generation_of(study: Study, number: int) -> Generation:
    """A generation by its number, from 0."""
    return Generation(number, study.folder / f"generation_{number}")


def done_before(generation: Generation) -> GenerationResult | None:
    """What was measured of a generation; None: it is not done."""
    if not generation.judgement.is_file():
        return None
    try:
        return result_of_record(read_record(generation.judgement))
    except (KeyError, TypeError) as problem:
        raise LamplighterError(
            f"{generation.judgement} is damaged ({problem}): remove it, and it is made anew"
        ) from None


def enough(study: Study, result: GenerationResult) -> str:
    """Which rule a generation meets; empty: none."""
    stop = study.given.stop
    share = result.uncertain / len(result.runs) if result.runs else 1.0
    if stop.uncertain_share is not None and result.explored and share <= stop.uncertain_share:
        return f"{result.uncertain} of {len(result.runs)} runs of generation {result.number} have an uncertain frame"
    along = result.errors.get(ALONG)
    if stop.forces is not None and along is not None and along.forces.mean <= stop.forces.metal:
        return (
            f"along the runs of generation {result.number} the RMSE of forces is {along.forces.mean:.4f} eV/Å, and "
            f"{stop.forces.metal:g} is enough"
        )
    return ""


def _begin(study: Study, generation: Generation) -> None:
    """What the result of a generation rests on: no times, numbers of processes, or rules to stop by."""
    given = study.given.model_dump(
        mode="json",
        exclude={
            "training": True,
            "stop": True,
            "output": True,
            "exploration": {"run", "at_once", "starts"},
            "labeller": {"workers", "threads", "timeout"},
        },
    )
    train_file = study.train_file.model_dump(mode="json", exclude={"output", "threads", "python"})
    files = [file for kind in study.train_file.data.train.values() for file in kind.files]
    files += study.train_file.data.validation if isinstance(study.train_file.data.validation, list) else []
    files += [*study.train_file.data.test.values(), *study.recipes.values(), *study.files.values()]
    for before in _earlier(study, generation):
        files.append(before)
    starts = {"recipes": study.recipes, "files": study.files, "packings": study.given.exploration.starts.packings}
    wanted: dict[str, Any] = {
        **given,
        "training": train_file,
        "exploration": {**given["exploration"], "run": study.run, "starts": starts},
        "sha256": {str(file): sha256(file) for file in files},
    }
    generation.begin({key: str(value) if isinstance(value, Path) else value for key, value in flat(wanted).items()})


def _earlier(study: Study, generation: Generation) -> list[Path]:
    """What earlier generations have added."""
    before = [generation_of(study, number).added for number in range(generation.number)]
    return [each for each in before if each.is_file()]


def _explored_generation(study: Study, generation: Generation, tools: Tools) -> GenerationResult:
    members, frames = _trained(study, generation, tools)
    models = [each.model for each in members] or [_start_model(study)]
    above = _threshold(study, generation, models, tools)
    tools.say(f"{generation.name}: runs")
    before = generation_of(study, generation.number - 1) if generation.number else None
    exploring = [_compiled(study, generation, models, tools)] if study.given.selection.by == "extrapolation" else models
    states, left_out = explored(study, generation, before, exploring, above, tools.say)
    outcomes, notes = _selected(study, generation, states, above)
    notes = left_out + notes
    found: dict[str, Judged] = {}
    added = 0
    if generation.chosen.is_file():
        tools.say(f"{generation.name}: labels")
        made = labelled(study, generation.chosen, generation.labelled, tools.progress)
        notes += made.notes + [f"{each.formula}: {each.why}: set aside, without labels" for each in made.failures]
        tools.say(f"{generation.name}: errors")
        found = _held_against_labels(study, generation, models, tools)
        added = found["selected"].errors.frames if "selected" in found else 0
    errors = errors_of_sets(members) | {name: each.errors for name, each in found.items()}
    best = found.get(ALONG) or found.get("selected")
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
        0 if above is None else sum(each.largest_uncertainty > above for each in outcomes),
        added,
        float("nan") if best is None or len(models) == 1 else best.calibration,
        float("nan") if best is None or len(models) == 1 else best.correlation,
        sum(each.wall_s for each in members),
        notes,
    )
    write_record(generation.judgement, result)
    return result


def _last_generation(study: Study, generation: Generation, tools: Tools) -> GenerationResult:
    """Models of all that was found; they explore nothing."""
    members, frames = _trained(study, generation, tools)
    wall = sum(each.wall_s for each in members)
    models = [each.model for each in members]
    result = GenerationResult(
        generation.number, generation.folder, models, frames, errors_of_sets(members), False, wall_s=wall
    )
    write_record(generation.judgement, result)
    return result


def _trained(study: Study, generation: Generation, tools: Tools) -> tuple[list[Member], dict[str, int]]:
    """The models of a generation, and how many frames they were trained on by kind; of the start model, none."""
    if study.given.first == "start" and generation.number == 0:
        return [], {}
    files = train_files_of(study, generation)
    tools.say(f"{generation.name}: trains {len(study.seeds)} model{'' if len(study.seeds) == 1 else 's'}")
    members = [member for each in files for member in tools.train(each).members]
    kinds = files[0].data.train
    frames = {kind: sum(_several_atoms(file) for file in section.files) for kind, section in kinds.items()}
    return members, frames


def _start_model(study: Study) -> Path:
    assert study.train_file.start is not None
    return study.train_file.start.model


def train_files_of(study: Study, generation: Generation) -> list[TrainFile]:
    """What is trained: one file for all models, or one each where each goes on with its own."""
    kinds = dict(study.train_file.data.train)
    weight = study.given.selection.weight
    for path in _earlier(study, generation):
        kinds[path.parent.name] = KindSection(files=[path], weight=weight)
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
                "start": StartSection(model=model),
                "output": generation.training / f"seed_{seed}",
            }
        )
        for seed, model in zip(study.seeds, before.models, strict=True)
    ]


def _several_atoms(file: Path) -> int:
    return sum(len(atoms) > 1 or bool(atoms.pbc.any()) for atoms in read_frames(file)[0])


def _compiled(study: Study, generation: Generation, models: Sequence[Path], tools: Tools) -> Path:
    """One file of all models, which knows the frames that they were trained on."""
    if not generation.compiled.is_file():
        tools.say(f"{generation.name}: compiles")
        kinds = train_files_of(study, generation)[0].data.train
        frames = [atoms for kind in kinds.values() for file in kind.files for atoms in read_frames(file)[0]]
        several = [atoms for atoms in frames if len(atoms) > 1 or atoms.pbc.any()]
        _write_frames(generation.training_set, [Atoms(a.numbers, a.positions, cell=a.cell, pbc=a.pbc) for a in several])
        tools.compiled(models, generation.training_set, generation.compiled)
    return generation.compiled


def _threshold(study: Study, generation: Generation, models: Sequence[Path], tools: Tools) -> float | None:
    """Above which a frame is uncertain; None: frames are selected by something else."""
    measure = study.given.selection.measure
    if not measure:
        return None
    above = study.given.selection.above or MEASURES[measure]
    if not isinstance(above, CalibratedSection):
        return above
    if generation.threshold.is_file():
        return float(read_record(generation.threshold)["above_eV2_A2"])
    tools.say(f"{generation.name}: calibration")
    names = study.train_file.data.labels
    frames: list[Atoms] = []
    labels = []
    for file in study.train_file.data.test.values():
        given = read_labelled(file, names.energy, names.forces, names.stress)
        frames += given.frames
        labels += given.labels
    found = judged(models, frames, labels, tools.predict)
    quotient = found.calibration
    if not (math.isfinite(quotient) and quotient > 0.0):
        raise LamplighterError(
            f"selection.above.error: the models of {generation.name} agree on all test frames, so that no variance "
            "stands for an error: give a threshold (selection.above: 0.5)"
        )
    made = above.error.metal**2 / quotient
    write_record(
        generation.threshold,
        {
            "above_eV2_A2": made,
            "error_eV_A": above.error.metal,
            "squared_error_over_variance": quotient,
            "rank_correlation": found.correlation,
            "frames": len(frames),
            "atoms": len(found.squared),
        },
    )
    return made


def _selected(
    study: Study, generation: Generation, states: Sequence[RunState], above: float | None
) -> tuple[list[RunOutcome], list[str]]:
    """Write the frames that are to be labelled, unless it is done; how the runs ended, and what is to be known."""
    outcomes: list[RunOutcome] = []
    notes: list[str] = []
    if generation.selection.is_file():
        record = read_record(generation.selection)
        return [outcome_of_record(each) for each in record["runs"]], list(record["notes"])
    chosen: list[Chosen] = []
    pool: list[Chosen] = []
    for place, state in enumerate(states):
        run, guard = Run(state.run.folder), state.run.run_file.guard
        random = np.random.default_rng([generation.number, place])
        frames = list(candidates(run, guard, study.given.selection.measure))
        known = [each.uncertainty for each in frames if math.isfinite(each.uncertainty)]
        outcome, said = outcome_of(run, max(known, default=float("nan")))
        outcomes.append(outcome)
        notes += said
        found = _of_run(study, state, frames, above, random)
        if not found:
            notes.append(f"{run.name} has no frame that could be selected")
        chosen += found
        if study.given.exploration.starts.go_on and frames:
            _write_frames(generation.last_of(state.run.point["start"]), [frames[-1].atoms])
        shares = study.given.evaluation.along * (place + 1) // len(states)
        shares -= study.given.evaluation.along * place // len(states)
        free = [each for each in frames if not_among(each, chosen)]
        for index in random.permutation(len(free))[:shares]:
            pool.append(along_runs(free[int(index)]))
    earlier = [atoms for file in _earlier(study, generation) for atoms in read_frames(file)[0]]
    kept, said = distinct(chosen, earlier, study.given.selection.distinct.metal)
    _write_frames(generation.chosen, [each.as_atoms() for each in [*kept, *pool]])
    notes += said
    write_record(
        generation.selection,
        {
            "by": study.given.selection.by,
            "above": above,
            "runs": outcomes,
            "chosen": [
                {
                    "run": e.frame.run,
                    "step": e.frame.step,
                    "uncertainty": e.frame.uncertainty,
                    "use": e.use,
                    "why": e.why,
                }
                for e in [*kept, *pool]
            ],
            "notes": notes,
        },
    )
    return outcomes, notes


def _of_run(
    study: Study, state: RunState, frames: list[Candidate], above: float | None, random: np.random.Generator
) -> list[Chosen]:
    """The frames of a run that are selected."""
    every = study.given.selection.every
    if every is not None:
        run_file = state.run.run_file
        lengths = [
            0 if isinstance(stage, Minimise) else steps_of(stage.length, stage.timestep or run_file.timestep)
            for stage in run_file.stages
        ]
        last = run_file.stages[-1]
        assert not isinstance(last, Minimise)
        return at_interval(frames, sum(lengths[:-1]), steps_of(every, last.timestep or run_file.timestep))
    if above is not None:
        found = first_uncertain(frames, above)
        return [] if found is None else [found]
    any_frame = drawn(frames, random)
    return [] if any_frame is None else [Chosen(any_frame, ADD, "at random")]


def _write_frames(path: Path, frames: Sequence[Atoms]) -> None:
    """Write frames in one piece, or remove the file where there are none."""
    partial = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        if not frames:
            path.unlink(missing_ok=True)
            return
        write_frames(partial, frames, format="extxyz")
        partial.replace(path)
    except OSError as problem:
        raise unwritable(path, problem) from problem


def _held_against_labels(
    study: Study, generation: Generation, models: Sequence[Path], tools: Tools
) -> dict[str, Judged]:
    """Write what was labelled by its use, and judge the models by it."""
    given = read_labelled(generation.labelled, f"{PREFIX}energy")
    keys = keys_of_data(study)
    found = {}
    for use, name, path in ((ADD, "selected", generation.added), (ALONG, ALONG, generation.along)):
        pairs = [(atoms, each) for atoms, each in zip(given.frames, given.labels, strict=True)
                 if atoms.info.get("use") == use]  # fmt: skip
        if not pairs:
            continue
        frames, labels = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        write_as_data(path, frames, labels, keys)
        found[name] = judged(models, frames, labels, tools.predict)
    return found


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
