"""What a study will cost, counted before it is begun: epochs, steps of dynamics, labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lamplighter.config.loading import parse_run_file
from lamplighter.config.stages import Minimise, steps_of
from lamplighter.driver.stage_steps import steps_of_stages
from lamplighter.learning.learn import learning_so_far
from lamplighter.learning.starts import names_of_starts
from lamplighter.learning.study import Study
from lamplighter.training.training_data import read_training_data


@dataclass(frozen=True)
class Cost:
    """What a study will cost at most, as runs may end early and rules may be met.

    Attributes:
        generations: At most, without the training at the end.
        models: Trained in each.
        epochs: Of each model at most; 0: it is fitted in one step.
        frames: For training in the first generation, of several atoms, before each model's share is drawn.
        runs: In each generation.
        steps: Of dynamics of each run at most.
        labels: In each generation at most.
        done: Generations that are done already.
        left: Generations that may follow.
        trainings: Of all models, that may follow; the last one is on all that was found.
        training_s: Wall time of the trainings of the last one of them, s; None: none is done.
        notes: What is to be known.
    """

    generations: int
    models: int
    epochs: int
    frames: int
    runs: int
    steps: int
    labels: int
    done: int
    left: int
    trainings: int
    training_s: float | None = None
    notes: list[str] = field(default_factory=list)


def cost_of(study: Study) -> Cost:
    """Count what a study will cost."""
    data = read_training_data(study.train_file.data)
    frames = sum(not each.is_lone_atom for kind in data.kinds.values() for each in kind)
    runs = len(names_of_starts(study))
    content = study.run_with([study.folder / "model.lamp"], None)
    run = parse_run_file(content | {"structure": "start.xyz"}, study.source).resolved(study.folder, "run")
    places = steps_of_stages(run.stages)
    of_a_run = 1
    every, last = study.given.selection.every, run.stages[-1]
    if every is not None and not isinstance(last, Minimise) and last.timestep is not None:
        of_a_run = (places[-1].end - places[-1].begin) // steps_of(every, last.timestep) + 1
    known = learning_so_far(study)
    done = [each for each in known.generations if each.explored]
    left = 0 if known.ended else study.given.stop.generations - len(done)
    trainings = 0 if known.ended else left + 1 - (study.given.first == "start" and not done)
    return Cost(
        study.given.stop.generations,
        len(study.seeds),
        study.train_file.length or 0,
        frames,
        runs,
        places[-1].end,
        runs * of_a_run + study.given.evaluation.along,
        len(done),
        left,
        trainings,
        done[-1].wall_s if done else None,
        list(data.notes),
    )
