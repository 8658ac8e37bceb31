"""What active learning will cost, as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamplighter.report.shown import Shown

if TYPE_CHECKING:
    from lamplighter.learning.cost import Cost


def format_cost(cost: Cost) -> str:
    """A line each part of a generation, and the sum over those that are left."""
    epochs = f"{cost.epochs} epochs at most" if cost.epochs else "in one step"
    lines = [
        f"each of at most {cost.generations} generations ({cost.done} done):",
        f"  trains {_n(cost.models, 'model')}, {epochs} each, on {cost.frames} frames and what was added",
        f"  runs from {_n(cost.runs, 'start')}, {cost.steps} steps each at most",
        f"  labels {_n(cost.labels, 'frame')} at most",
        f"left, at most: {_n(cost.models * cost.trainings, 'training')}, {cost.left * cost.runs * cost.steps} steps, "
        f"{_n(cost.left * cost.labels, 'label')}",
    ]
    if cost.training_s is not None:
        lines.append(f"the trainings of the last generation took {cost.training_s / 60.0:.1f} min")
    return "\n".join(lines + [f"Note: {note}" for note in cost.notes])


def cost_as_json(cost: Cost) -> Any:
    """What `--json` prints: all of it."""
    return cost


def _n(number: int, of: str) -> str:
    return f"{number} {of}{'' if number == 1 else 's'}"


SHOWN = Shown(format_cost, cost_as_json)
"""How `learn --dry-run` shows it."""
