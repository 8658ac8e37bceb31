"""The frames of a generation that are labelled: chosen from its runs, and held against their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lamplighter.campaign.state import RunState
from lamplighter.config.quantity import Quantity
from lamplighter.config.stages import Minimise, steps_of
from lamplighter.driver.stage_steps import steps_of_stages
from lamplighter.errors import LamplighterError
from lamplighter.labelling.output import replace_frames
from lamplighter.learning.candidates import Candidate, candidates
from lamplighter.learning.generation import Generation, read_record, write_record
from lamplighter.learning.generations import added_before
from lamplighter.learning.judgement import Judged, judged, outcome_of
from lamplighter.learning.labels import PREFIX, keys_of_data, write_as_data
from lamplighter.learning.learning import RunOutcome, outcome_of_record
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
from lamplighter.learning.study import Study
from lamplighter.learning.tools import Tools
from lamplighter.run_folder.run import Run
from lamplighter.structures.labelled_frames import read_frames, read_labelled


def chosen_frames(
    study: Study, generation: Generation, states: Sequence[RunState], left_out: Sequence[str], above: float | None
) -> None:
    """Write the frames that are to be labelled, with how the runs ended and what is to be known.

    Args:
        study: The study.
        generation: Whose runs they are.
        states: Runs that came to their end.
        left_out: A line for each of the others.
        above: The threshold; None: there is none.
    """
    outcomes: list[RunOutcome] = []
    notes: list[str] = list(left_out)
    chosen: list[Chosen] = []
    pool: list[Chosen] = []
    for place, state in enumerate(states):
        run, guard = Run(state.run.folder), state.run.run_file.guard
        random = np.random.default_rng([generation.number, place])
        try:
            frames = list(candidates(run, guard, study.given.selection.measure))
        except LamplighterError as problem:  # it broke before its first frame, or has nothing to be held against
            frames = []
            notes.append(f"{run.name}: no frame can be selected: {problem}")
        known = [each.uncertainty for each in frames if math.isfinite(each.uncertainty)]
        outcome, said = outcome_of(run, max(known, default=float("nan")))
        outcomes.append(outcome)
        notes += said
        found, said = _of_run(study, state, frames, above, random)
        notes += said
        if not found:
            notes.append(f"{run.name} has no frame that could be selected")
        chosen += found
        # what led a run to its end would soon end the next one, too
        if study.given.exploration.starts.go_on and frames and not outcome.failed:
            last = generation.last_of(state.run.point["start"])
            last.parent.mkdir(exist_ok=True)
            replace_frames(last, [frames[-1].atoms])
        shares = study.given.evaluation.along * (place + 1) // len(states)
        shares -= study.given.evaluation.along * place // len(states)
        free = [each for each in frames if not_among(each, chosen)]
        for index in random.permutation(len(free))[:shares]:
            pool.append(along_runs(free[int(index)]))
    earlier = [atoms for file in added_before(study, generation) for atoms in read_frames(file)[0]]
    kept, said = distinct(chosen, earlier, study.given.selection.distinct.metal)
    replace_frames(generation.chosen, [each.as_atoms() for each in [*kept, *pool]])
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
            "planned": len(states) + len(left_out),
            "notes": notes,
        },
    )


def chosen_before(generation: Generation) -> tuple[list[RunOutcome], int, list[str]]:
    """How the runs ended from which frames were chosen, how many were planned, and what is to be known."""
    record = read_record(generation.selection)
    return [outcome_of_record(each) for each in record["runs"]], int(record["planned"]), list(record["notes"])


def _of_run(
    study: Study, state: RunState, frames: list[Candidate], above: float | None, random: np.random.Generator
) -> tuple[list[Chosen], list[str]]:
    """The frames of a run that are selected, and what is to be known of them."""
    every = study.given.selection.every
    if every is not None:
        return _at_interval(state, frames, every)
    if above is not None:
        found = first_uncertain(frames, above)
        return ([] if found is None else [found]), []
    any_frame = drawn(frames, random)
    return ([] if any_frame is None else [Chosen(any_frame, ADD, "at random")]), []


def _at_interval(state: RunState, frames: list[Candidate], every: Quantity) -> tuple[list[Chosen], list[str]]:
    """Of the last stage; of the last one that the run reached, where something broke before that."""
    if not frames:
        return [], []
    stages = state.run.run_file.stages
    begins = [each.begin for each in steps_of_stages(stages)]
    dynamic = [place for place, stage in enumerate(stages) if not isinstance(stage, Minimise)]
    reached = [place for place in dynamic if begins[place] <= frames[-1].step]
    place = (reached or dynamic)[-1]
    stage = stages[place]
    assert not isinstance(stage, Minimise)
    assert stage.timestep is not None
    found = at_interval(frames, begins[place], steps_of(every, stage.timestep))
    if place == dynamic[-1]:
        return found, []
    return found, [f"{state.run.name}: its last stage has no frame that can be selected: those of {stage.type}, the "
                   "last that has, are taken"]  # fmt: skip


def held_against_labels(
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
