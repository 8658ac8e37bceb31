"""What a thermostat does to the dynamics that an observable is taken from."""

from __future__ import annotations

from lamplighter.run_folder.run import Run

SLOWER = "motion is slower than in the liquid by itself, the more so the shorter its damping"
"""What a friction on each atom does to displacements."""


def damped_by_langevin(run: Run, index: int, therefore: str) -> list[str]:
    """A note where a stage of a run had a Langevin thermostat; none else, or where its run file does not say.

    Args:
        run: The run.
        index: Of the stage, in its run file.
        therefore: What follows for the observable.
    """
    stages = run.run_file.get("stages")
    stage = stages[index] if isinstance(stages, list) and index < len(stages) else None
    thermostat = stage.get("thermostat") if isinstance(stage, dict) else None
    if "langevin" not in str(thermostat):
        return []
    return [f"the Langevin thermostat acts on each atom, so that {therefore}: take nve, or nvt with svr or nose-hoover"]
