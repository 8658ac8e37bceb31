"""What active learning will cost, as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamplighter.report import table_text
from lamplighter.report.shown import Shown

if TYPE_CHECKING:
    from lamplighter.learning.cost import AblationCost, Cost


def format_cost(cost: Cost) -> str:
    """A line each part of a generation, and the sum over those that are left."""
    epochs = f"{cost.epochs} epochs at most" if cost.epochs else "in one step"
    quality = [f"  and runs for Q, {cost.quality_steps} steps in all at most"] if cost.quality_steps else []
    lines = [
        f"each of at most {cost.generations} generations ({cost.done} done):",
        f"  trains {_n(cost.models, 'model')}, {epochs} each, on {cost.frames} frames and what was added",
        f"  runs from {_n(cost.runs, 'start')}, {cost.steps} steps each at most",
        *quality,
        f"  labels {_n(cost.labels, 'frame')} at most",
        f"left, at most: {_n(cost.models * cost.trainings, 'training')}, {cost.steps_left} steps, "
        f"{_n(cost.left * cost.labels, 'label')}",
    ]
    if cost.training_s is not None:
        lines.append(f"the trainings of the last generation took {cost.training_s / 60.0:.1f} min, one after the other")
    return "\n".join(lines + [f"Note: {note}" for note in cost.notes])


def format_ablation_cost(cost: AblationCost) -> str:
    """A row each point, and the sum."""
    head = ("left, at most", "trainings", "epochs each", "frames", "steps", "labels")
    rows = [
        (each.name, *(str(value) for value in (each.trainings, each.epochs, each.frames, each.steps, each.labels)))
        for each in cost.points
    ]
    trainings, steps, labels = (
        sum(getattr(each, name) for each in cost.points) for name in ("trainings", "steps", "labels")
    )
    lines = table_text.rows(head, [*rows, ("all", str(trainings), "", "", str(steps), str(labels))], right=True)
    return "\n".join([*lines, *(f"Note: {note}" for note in cost.notes)])


def cost_as_json(cost: Cost | AblationCost) -> Any:
    """What `--json` prints: all of it."""
    return cost


def _n(number: int, of: str) -> str:
    return f"{number} {of}{'' if number == 1 else 's'}"


SHOWN = Shown(format_cost, cost_as_json)
"""How `learn --dry-run` shows that of a study."""

SHOWN_OF_ABLATION = Shown(format_ablation_cost, cost_as_json)
"""How it shows that of an ablation."""
