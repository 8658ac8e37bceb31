"""What a study, or an ablation, will cost, counted before it is begun: epochs, steps of dynamics, labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lamplighter.config.loading import parse_run_file
from lamplighter.config.stages import Minimise, steps_of
from lamplighter.driver.stage_steps import steps_of_stages
from lamplighter.learning.ablation import Ablation, as_asked
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
        frames: Of several atoms, that each model of the first generation is trained on.
        runs: In each generation.
        steps: Of dynamics of each run at most.
        quality_steps: Of dynamics of all runs for Q of a generation, at most.
        labels: In each generation at most.
        done: Generations that are done already.
        left: Generations that may follow.
        trainings: Of all models, that may follow; the last one is on all that was found.
        training_s: Wall time of the trainings of the last one of them, summed over its models, s; None: none is done.
        notes: What is to be known.
    """

    generations: int
    models: int
    epochs: int
    frames: int
    runs: int
    steps: int
    quality_steps: int
    labels: int
    done: int
    left: int
    trainings: int
    training_s: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def steps_left(self) -> int:
        """Of dynamics, at most; Q is asked of the last models, too, which explore nothing."""
        generations = 0 if self.trainings == 0 else self.left + 1
        return self.left * self.runs * self.steps + generations * self.quality_steps


@dataclass(frozen=True)
class PointCost:
    """What a point of an ablation will still cost, at most.

    Attributes:
        name: Of it.
        trainings: Of single models.
        epochs: Of each at most; 0: it is fitted in one step.
        frames: Of several atoms, that each model is trained on before any is added.
        steps: Of dynamics.
        labels: Frames.
    """

    name: str
    trainings: int
    epochs: int
    frames: int
    steps: int = 0
    labels: int = 0


@dataclass(frozen=True)
class AblationCost:
    """What an ablation will still cost, at most: `points`, in its order; those that are done cost nothing."""

    points: list[PointCost]
    notes: list[str] = field(default_factory=list)


def cost_of_ablation(ablation: Ablation) -> AblationCost:
    """Count what is left of an ablation."""
    points, notes = [], []
    for point in ablation.points:
        if isinstance(point.asked, Study):
            cost = cost_of(point.asked)
            trainings, labels = cost.models * cost.trainings, cost.left * cost.labels
            points.append(PointCost(point.name, trainings, cost.epochs, cost.frames, cost.steps_left, labels))
            notes += cost.notes
            continue
        data = read_training_data(point.asked.data)
        left = [seed for seed in point.asked.seeds if as_asked(point.asked, ablation.folder / point.name, seed) is None]
        points.append(
            PointCost(point.name, len(left), point.asked.length or 0, data.size_of_member(point.asked.subset))
        )
        notes += data.notes
    return AblationCost(points, list(dict.fromkeys(notes)))


def cost_of(study: Study) -> Cost:
    """Count what a study will cost."""
    data = read_training_data(study.train_file.data)
    runs = len(names_of_starts(study))
    content = study.run_with(study.models_to_come, None)
    run = parse_run_file(content | {"structure": "start.xyz"}, study.source).resolved(study.folder, "run")
    places = steps_of_stages(run.stages)
    of_a_run = 1
    every, last = study.given.selection.every, run.stages[-1]
    if every is not None and not isinstance(last, Minimise) and last.timestep is not None:
        of_a_run = (places[-1].end - places[-1].begin) // steps_of(every, last.timestep) + 1
    known = learning_so_far(study)
    done = [each for each in known.generations if each.explored]
    left = 0 if known.ended else study.given.stop.generations - len(done)
    trainings = 0 if known.ended else left + 1 - (bool(study.first_models) and not done)
    return Cost(
        study.given.stop.generations,
        len(study.seeds),
        study.train_file.length or 0,
        data.size_of_member(study.train_file.subset),
        runs,
        places[-1].end,
        len(study.seeds) * sum(_steps(study, number) for number in range(len(study.quality_runs))),
        runs * of_a_run + study.given.evaluation.along,
        len(done),
        left,
        trainings,
        done[-1].wall_s if done else None,
        list(data.notes),
    )


def _steps(study: Study, number: int) -> int:
    """Of a run for Q."""
    content = study.quality_run(number, study.models_to_come[0])
    return steps_of_stages(parse_run_file(content, study.source).resolved(study.folder, "run").stages)[-1].end
